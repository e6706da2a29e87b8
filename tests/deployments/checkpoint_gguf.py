"""The weights of a transformers llama as llama.cpp reads them, and the models of `tiny_model` with
them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from deployments.models.lora_gguf import MODULES
from tests.deployments.tiny_gguf import END, HEAD, Weights, save_gguf, token_of, vocabulary

CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'system' %}s"
    "{% elif message['role'] == 'user' %}u{% else %}a{% endif %}:{{ message['content'] }}!"
    "{% endfor %}a:"
)
"""What that of `tiny_model` writes, without the first letter of a text, which not all have."""

_NAMES = MODULES | {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}


def as_gguf(model: Any) -> Weights:
    """The weights by their names in a GGUF file."""
    weights = {}
    for name, tensor in model.state_dict().items():
        module, values = name.removesuffix(".weight"), tensor.numpy()
        if module.startswith("model.layers."):
            _, _, layer, inner = module.split(".", 3)
            module = f"blk.{layer}.{_NAMES[inner]}"
            if inner in ("self_attn.q_proj", "self_attn.k_proj"):
                rows, columns = values.shape
                halves = values.reshape(rows // HEAD, 2, HEAD // 2, columns)
                values = halves.swapaxes(1, 2).reshape(rows, columns)
        top = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
        weights[f"{top.get(module, module)}.weight"] = values
    return weights


def save_checkpoint_gguf(path: Path, checkpoint: Path) -> Path:
    """Writes a model of `tiny_model` with the tokenizer of `tiny_gguf`: each letter is the token of
    its byte, and every byte that it does not know is as likely as its unknown letter."""
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    known = AutoTokenizer.from_pretrained(checkpoint).get_vocab()
    weights = as_gguf(model)
    for name in ("token_embd.weight", "output.weight"):
        rows = np.repeat(weights[name][[known["<unk>"]]], len(vocabulary()), axis=0)
        rows[END] = weights[name][known["<end>"]]
        for letter, token in known.items():
            if len(letter) == 1:
                rows[token_of(ord(letter))] = weights[name][token]
        weights[name] = rows
    return save_gguf(path, weights, chat_template=CHAT_TEMPLATE)
