"""A causal language model that says one thing: after each letter comes the next one of a text."""

from itertools import pairwise
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.deployments.tiny_model import LETTERS, save_tokenizer


def save_chain_model(folder: Path, said: str) -> Path:
    """Writes a model that answers every chat with `said`, whose letters are distinct, and ends."""
    letters = LETTERS + "".join(sorted(set(said) - set(LETTERS)))
    size = save_tokenizer(folder, letters)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=64,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        max_position_embeddings=512,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config)
    ids = [letters.index(letter) + 2 for letter in f":{said}"] + [0]  # a chat ends in a colon
    layer = model.model.layers[0]
    with torch.no_grad():
        # The layer adds nothing: the last letter alone tells what comes next.
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(size, 64))
        model.lm_head.weight.zero_()
        for before, after in pairwise(ids):
            model.lm_head.weight[after, before] = 9.0
    model.save_pretrained(folder)
    return folder
