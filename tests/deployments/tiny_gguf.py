"""GGUF files of a few kilobytes: llama models with a token per byte, and control tokens."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter, TokenType

LETTERS = "abcdefghijklmnopqrstuvwxyz .,!?"
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTEXT = 512
WIDTH, HIDDEN, HEADS, KV_HEADS = 32, 64, 2, 1
HEAD = WIDTH // HEADS

Weights = dict[str, np.ndarray]


def vocabulary(further: Sequence[str] = ()) -> list[str]:
    """Control tokens first, then a token per byte, then `further` ones; written as GPT-2 writes
    bytes."""
    names = _byte_names()
    spelled = ["".join(names[byte] for byte in text.encode()) for text in further]
    return [
        *CONTROL,
        *(names[byte] for byte in range(256)),
        names[ord("q")] + names[ord("z")],
        *spelled,
    ]


def _byte_names() -> dict[int, str]:
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    names = {byte: chr(byte) for byte in plain}
    return names | {byte: chr(256 + index) for index, byte in enumerate(others)}


def token_of(byte: int) -> int:
    """The token of a byte."""
    return len(CONTROL) + byte


END = CONTROL.index("<|im_end|>")


def save_tiny_gguf(path: Path, *, seed: int = 0, **metadata: Any) -> Path:
    """A model that answers everything with letters, as random weights will have it, without end."""
    return save_gguf(path, tiny_weights(seed), **metadata)


def tiny_weights(seed: int = 0) -> Weights:
    """Random weights whose output is a letter, always."""
    drawn = np.random.default_rng(seed)
    weights = _zeros(WIDTH, layers=2)
    for name, weight in weights.items():
        if weight.ndim == 2:
            weight[:] = drawn.normal(scale=0.4, size=weight.shape)
        if name.endswith(("attn_output.weight", "ffn_down.weight")):
            weight[0] = 0  # the first component is the same for every token ...
    weights["token_embd.weight"][:, 0] = 20.0
    output = weights["output.weight"]
    output[:, 0] = -20.0  # ... and makes every token impossible but the letters
    output[[token_of(ord(letter)) for letter in LETTERS], 0] = 0.0
    return weights


def save_chain_gguf(path: Path, said: str, **metadata: Any) -> Path:
    """A model that answers every chat with `said`, whose bytes are distinct, and ends."""
    return _save_chain(path, [token_of(byte) for byte in said.encode()], (), metadata)


def save_speaking_gguf(path: Path, said: Sequence[str], after: str = "\n", **metadata: Any) -> Path:
    """The same with a token for each piece of what it says; `after` ends the prompt."""
    first = len(vocabulary())
    return _save_chain(path, list(range(first, first + len(said))), said, metadata, after)


def _save_chain(
    path: Path,
    tokens: list[int],
    further: Sequence[str],
    metadata: dict[str, Any],
    after: str = "\n",
) -> Path:
    weights = _zeros(64, layers=1, vocabulary_size=len(vocabulary(further)))
    chain = [token_of(ord(after)), *tokens, END]
    for position, (before, following) in enumerate(pairwise(chain)):
        # The layer adds nothing: the last token alone tells what comes next.
        weights["token_embd.weight"][before, position] = 1.0
        weights["output.weight"][following, position] = 3.0
    return save_gguf(path, weights, further=further, **metadata)


def save_gguf(
    path: Path,
    weights: Mapping[str, np.ndarray],
    architecture: str = "llama",
    *,
    further: Sequence[str] = (),
    chat_template: str = CHAT_TEMPLATE,
    context: int = CONTEXT,
    tensors_each: int = 0,
    **metadata: Any,
) -> Path:
    """Writes a model with `further` tokens; `metadata` has further keys, with `__` for a dot. In
    several files where it has more than `tensors_each`, of which the path returned is the first."""
    writer = GGUFWriter(path, architecture, split_max_tensors=tensors_each)
    width = weights["token_embd.weight"].shape[1]
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(sum(name.endswith("attn_norm.weight") for name in weights))
    writer.add_feed_forward_length(weights["blk.0.ffn_up.weight"].shape[0])
    writer.add_head_count(width // HEAD)
    writer.add_head_count_kv(weights["blk.0.attn_k.weight"].shape[0] // HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(HEAD)
    _add_tokenizer(writer, vocabulary(further), chat_template)
    for key, value in metadata.items():
        writer.add_key_value(key.replace("__", "."), value, _type_of(value))
    for name, weight in weights.items():
        writer.add_tensor(name, weight.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return writer.format_shard_names(path)[0]


def _add_tokenizer(writer: GGUFWriter, tokens: list[str], chat_template: str) -> None:
    kinds = [TokenType.CONTROL] * len(CONTROL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([*kinds, *[TokenType.NORMAL] * (len(tokens) - len(kinds))])
    writer.add_token_merges(["q z"])  # llama.cpp wants one
    writer.add_bos_token_id(CONTROL.index("<|endoftext|>"))
    writer.add_eos_token_id(END)
    writer.add_add_bos_token(False)
    writer.add_chat_template(chat_template)


def _zeros(width: int, layers: int, vocabulary_size: int | None = None) -> Weights:
    size, kv = vocabulary_size or len(vocabulary()), KV_HEADS * HEAD
    weights = {
        "token_embd.weight": np.zeros((size, width)),
        "output_norm.weight": np.ones(width),
        "output.weight": np.zeros((size, width)),
    }
    for layer in range(layers):
        shapes = {
            "attn_norm": (width,),
            "attn_q": (width, width),
            "attn_k": (kv, width),
            "attn_v": (kv, width),
            "attn_output": (width, width),
            "ffn_norm": (width,),
            "ffn_gate": (HIDDEN, width),
            "ffn_up": (HIDDEN, width),
            "ffn_down": (width, HIDDEN),
        }
        for name, shape in shapes.items():
            values = np.ones(shape) if len(shape) == 1 else np.zeros(shape)
            weights[f"blk.{layer}.{name}.weight"] = values
    return weights


def _type_of(value: Any) -> Any:
    from gguf import GGUFValueType

    return GGUFValueType.UINT32 if type(value) is int else GGUFValueType.get_type(value)
