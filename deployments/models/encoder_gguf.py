"""Converts an encoder of BERT's architecture to llama.cpp's own format, once, into the cache.

    <cache>/gguf/<checksum>.gguf        see `deployments.models.converted_file`

The name is a checksum of the model's files and of this converter's version. Matrices are kept in
half precision. How to pool is said by the file in which sentence-transformers says it; without it
the operator has to.

Rule: what llama.cpp would compute otherwise than transformers does is refused by name.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import MODEL_ARCH, GGUFWriter, PoolingType, TokenType, get_tensor_name_map

from deployments.models.checksum import sha256_of
from deployments.models.converted_file import converted_file
from deployments.models.errors import ModelError
from deployments.models.tensors import read_tensors

VERSION = 1
"""Of the converter: to be raised with every change of what it writes."""

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
POOLING = "1_Pooling/config.json"

_ARCHITECTURE = "bert"
_CONFIG: Mapping[str, tuple[object, ...]] = {
    "model_type": (_ARCHITECTURE,),
    "hidden_act": ("gelu",),
    "is_decoder": (None, False),
    "position_embedding_type": (None, "absolute"),
}
_MODEL: Mapping[str, tuple[object, ...]] = {
    "type": ("WordPiece",),
    "continuing_subword_prefix": ("##",),
}
_NORMALIZER: Mapping[str, tuple[object, ...]] = {
    "type": ("BertNormalizer",),
    "lowercase": (True,),
    "strip_accents": (None, True),
}
"""Settings that change what the weights mean, and the values that llama.cpp knows."""

_POOLINGS = {
    "pooling_mode_mean_tokens": PoolingType.MEAN,
    "pooling_mode_cls_token": PoolingType.CLS,
    "pooling_mode_lasttoken": PoolingType.LAST,
}
_UNUSED = ("pooler.", "embeddings.position_ids")
_ADDED = ("position_embd.", "token_types.")
"""Tensors that are added to others, which llama.cpp wants in full precision."""


def encoder_gguf(folder: Path, cache: Path) -> Path:
    """The model of a transformers directory as llama.cpp reads it; converted if the cache lacks it.

    Raises:
        ModelError: a file is absent, or has what cannot be converted.
    """
    pooling = [POOLING] if (folder / POOLING).is_file() else []
    try:
        config = _json(folder / CONFIG)
        _check(folder / CONFIG, config, _CONFIG)
        facts = [
            VERSION,
            *(sha256_of(folder / of) for of in (CONFIG, TOKENIZER, WEIGHTS, *pooling)),
        ]
    except OSError as error:
        raise ModelError(f"{folder}: cannot be read: {error}") from error
    target = cache / "gguf" / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]}.gguf"
    return converted_file(target, lambda part: _write(part, folder, config))


def _write(target: Path, folder: Path, config: Mapping[str, Any]) -> None:
    writer, tokenizer = GGUFWriter(target, _ARCHITECTURE), _json(folder / TOKENIZER)
    try:
        _check(folder / TOKENIZER, tokenizer["model"], _MODEL)
        _check(folder / TOKENIZER, tokenizer["normalizer"], _NORMALIZER)
        _add_shape(writer, config)
        _add_tokenizer(writer, tokenizer)
        layers = int(config["num_hidden_layers"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: {CONFIG} or {TOKENIZER} cannot be used: {error!r}") from error
    if (folder / POOLING).is_file() and (pooling := _pooling(_json(folder / POOLING))):
        writer.add_pooling_type(pooling)
    for name, tensor in _tensors(folder / WEIGHTS, layers):
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path}: cannot be used: {error}") from error


def _check(path: Path, given: Mapping[str, Any], known: Mapping[str, tuple[object, ...]]) -> None:
    for key, values in known.items():
        if given.get(key) not in values:
            raise ModelError(
                f"{path}: {key} {given.get(key)!r} cannot be converted for engine llama, which is "
                "the default; name a GGUF file, or serve a language model with engine: vllm"
            )


def _add_shape(writer: GGUFWriter, config: Mapping[str, Any]) -> None:
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_token_type_count(config["type_vocab_size"])
    writer.add_causal_attention(False)


def _add_tokenizer(writer: GGUFWriter, tokenizer: Mapping[str, Any]) -> None:
    numbers: dict[str, int] = tokenizer["model"]["vocab"]
    control = {token["content"] for token in tokenizer["added_tokens"] if token["special"]}
    tokens = sorted(numbers, key=numbers.__getitem__)
    writer.add_tokenizer_model(_ARCHITECTURE)
    writer.add_token_list([token if token in control else _piece(token) for token in tokens])
    kinds = {True: TokenType.CONTROL, False: TokenType.NORMAL}
    writer.add_token_types([kinds[token in control] for token in tokens])
    writer.add_pad_token_id(numbers["[PAD]"])
    writer.add_unk_token_id(numbers["[UNK]"])
    writer.add_bos_token_id(numbers["[CLS]"])
    writer.add_sep_token_id(numbers["[SEP]"])
    if "[MASK]" in numbers:
        writer.add_mask_token_id(numbers["[MASK]"])


def _piece(token: str) -> str:
    """As llama.cpp writes pieces: the mark is on the first one of a word, not on the others."""
    return token[2:] if token.startswith("##") else f"\u2581{token}"


def _pooling(said: Mapping[str, Any]) -> PoolingType | None:
    """How sentence-transformers pools; None: in a way that llama.cpp lacks."""
    chosen = [kind for key, kind in _POOLINGS.items() if said.get(key)]
    return chosen[0] if len(chosen) == 1 else None


def _tensors(path: Path, layers: int) -> Iterator[tuple[str, np.ndarray]]:
    names = get_tensor_name_map(MODEL_ARCH.BERT, layers)
    for key, tensor in read_tensors(path):
        key = key.removeprefix("bert.")  # noqa: PLW2901 - the same tensor
        if key.startswith(_UNUSED):
            continue
        name = names.get_name(key, (".weight", ".bias"))
        if name is None:
            raise ModelError(f"{path}: {key} cannot be converted for engine llama")
        full = tensor.ndim == 1 or name.startswith(_ADDED)
        yield name, tensor.astype(np.float32 if full else np.float16)
