"""GGUF files of a few kilobytes: encoders that embed texts, or rank them, with a token per
letter."""

from pathlib import Path

import numpy as np
from gguf import GGUFWriter, PoolingType, TokenType

CONTEXT = 64
_CONTROL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WIDTH, _HIDDEN, _LAYERS = 32, 64, 2
_PAD, _UNKNOWN, _BEGIN, _END, _MASK = range(len(_CONTROL))

_HEAD: dict[str, tuple[int, ...]] = {
    "cls.weight": (_WIDTH, _WIDTH),
    "cls.bias": (_WIDTH,),
    "cls.output.weight": (1, _WIDTH),
    "cls.output.bias": (1,),
}

SURROUNDING_TOKENS = 2
"""Tokens that are put around each text."""


def save_tiny_bert(path: Path, *, seed: int = 0, ranks: bool = False) -> Path:
    """An encoder of random weights that says how to pool; one that ranks has a head of them."""
    writer = GGUFWriter(path, "bert")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_HIDDEN)
    writer.add_head_count(2)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(PoolingType.RANK if ranks else PoolingType.MEAN)
    _add_tokenizer(writer)
    drawn = np.random.default_rng(seed)
    for name, shape in (_shapes() | (_HEAD if ranks else {})).items():
        values = drawn.normal(scale=0.4, size=shape)
        if "norm" in name:
            values = np.ones(shape) if name.endswith("weight") else np.zeros(shape)
        writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tokens() -> list[str]:
    # A word's first piece has a mark, as llama.cpp wants it.
    return [*_CONTROL, *(f"\u2581{letter}" for letter in _LETTERS), *_LETTERS]


def _add_tokenizer(writer: GGUFWriter) -> None:
    tokens = _tokens()
    kinds = [TokenType.CONTROL] * len(_CONTROL)
    writer.add_tokenizer_model("bert")
    writer.add_token_list(tokens)
    writer.add_token_types([*kinds, *[TokenType.NORMAL] * (len(tokens) - len(kinds))])
    writer.add_token_type_count(2)
    writer.add_pad_token_id(_PAD)
    writer.add_unk_token_id(_UNKNOWN)
    writer.add_bos_token_id(_BEGIN)
    writer.add_sep_token_id(_END)
    writer.add_mask_token_id(_MASK)


def _shapes() -> dict[str, tuple[int, ...]]:
    square, row = (_WIDTH, _WIDTH), (_WIDTH,)
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(_tokens()), _WIDTH),
        "token_types.weight": (2, _WIDTH),
        "position_embd.weight": (CONTEXT, _WIDTH),
        "token_embd_norm.weight": row,
        "token_embd_norm.bias": row,
    }
    for layer in range(_LAYERS):
        parts: dict[str, tuple[int, ...]] = {
            "attn_q": square,
            "attn_k": square,
            "attn_v": square,
            "attn_output": square,
            "ffn_up": (_HIDDEN, _WIDTH),
            "ffn_down": (_WIDTH, _HIDDEN),
            "attn_output_norm": row,
            "layer_output_norm": row,
        }
        for name, shape in parts.items():
            shapes[f"blk.{layer}.{name}.weight"] = shape
            shapes[f"blk.{layer}.{name}.bias"] = shape[:1]
    return shapes
