"""Converts an adapter to llama.cpp's own format, once, into the cache.

    <cache>/adapters/<checksum>.gguf        see `deployments.models.converted_file`

The name is a checksum of the adapter's weights and configuration, of what the base's file says of
its shape, and of this converter's version; so an altered adapter, another base and a newer
converter each have a file of their own.

Rule: what llama.cpp would apply wrongly or not at all is refused by name, never left out.
"""

import hashlib
import json
import math
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from deployments.models.adapters import CONFIG, WEIGHTS, Adapter
from deployments.models.converted_file import converted_file
from deployments.models.errors import ModelError
from deployments.models.gguf_file import GgufHeader
from deployments.models.tensors import read_tensors

VERSION = 1
"""Of the converter: to be raised with every change of what it writes."""

MODULES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""PEFT's names of the layers that can be adapted, and GGUF's."""

_HEADS = {"attn_q": "attention.head_count", "attn_k": "attention.head_count_kv"}
_ROTATED = frozenset({"llama"})  # the rows of their q and k are reordered in GGUF files
_ARCHITECTURES = frozenset({"llama", "qwen2", "qwen3"})
_TENSOR = re.compile(r"base_model\.model\.model\.layers\.(\d+)\.(.+)\.lora_([AB])\.weight")
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "alpha_pattern": (None, {}),
    "bias": ("none",),
    "fan_in_fan_out": (None, False),
    "layer_replication": (None,),
    "lora_bias": (None, False),
    "modules_to_save": (None, []),
    "rank_pattern": (None, {}),
    "trainable_token_indices": (None,),
    "use_dora": (None, False),
}
"""Settings of PEFT that change what the weights mean, and the values that a conversion knows."""


def adapter_gguf(adapter: Adapter, base: GgufHeader, cache: Path) -> Path:
    """The adapter as llama.cpp reads it, for a base; converted if the cache lacks it.

    Raises:
        ModelError: it does not fit the base, or has what cannot be converted.
    """
    target = cache / "adapters" / f"{_name(adapter, base)}.gguf"
    return converted_file(target, lambda part: _write(part, adapter, base))


def _name(adapter: Adapter, base: GgufHeader) -> str:
    config = (adapter.path / CONFIG).read_bytes()
    heads = [base.of_architecture(key) for key in _HEADS.values()]
    facts = [VERSION, adapter.sha256, hashlib.sha256(config).hexdigest(), base.architecture, *heads]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _write(path: Path, adapter: Adapter, base: GgufHeader) -> None:
    from gguf import GGUFWriter, Keys  # noqa: PLC0415 - the package takes a while to import

    alpha, rank = _alpha_and_rank(adapter)
    writer = GGUFWriter(path, base.architecture)
    writer.add_type("adapter")
    writer.add_string(Keys.Adapter.TYPE, "lora")
    writer.add_float32(Keys.Adapter.LORA_ALPHA, alpha)
    for name, tensor in _tensors(adapter, base, rank):
        writer.add_tensor(name, np.ascontiguousarray(tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _alpha_and_rank(adapter: Adapter) -> tuple[float, int]:
    """The scale times the rank, as llama.cpp divides by the rank; and the rank."""
    path = adapter.path / CONFIG
    try:
        config = json.loads(path.read_bytes())
        alpha, rank = float(config["lora_alpha"]), int(config["r"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: cannot be used: {error!r}") from error
    for key, known in _NEUTRAL.items():
        value = config.get(key, known[0])
        if value not in known:
            raise ModelError(
                f"{path}: {key} {value!r} cannot be converted for engine llama; "
                "train without it, or serve the adapter with engine: vllm, if that takes it"
            )
    return alpha * math.sqrt(rank) if config.get("use_rslora") else alpha, rank


def _tensors(adapter: Adapter, base: GgufHeader, rank: int) -> Iterator[tuple[str, np.ndarray]]:
    if base.architecture not in _ARCHITECTURES:
        raise ModelError(
            f"{base.path}: adapters for architecture {base.architecture!r} cannot be converted; "
            f"for these they can: {', '.join(sorted(_ARCHITECTURES))}"
        )
    path = adapter.path / WEIGHTS
    keys = set()
    for key, weight in read_tensors(path):
        found = _TENSOR.fullmatch(key)
        module = MODULES.get(found[2]) if found else None
        if found is None or module is None:
            raise ModelError(
                f"{path}: {key} cannot be converted for engine llama; train without it, or serve "
                "the adapter with engine: vllm, if that takes it"
            )
        name, side = f"blk.{found[1]}.{module}.weight", found[3]
        _check_rank(path, key, weight, side, rank)
        _check_base(path, key, weight, side, base, name)
        if side == "B" and base.architecture in _ROTATED and module in _HEADS:
            weight = _reordered(weight, base.of_architecture(_HEADS[module]))  # noqa: PLW2901 - the same rows
        keys.add(key)
        yield f"{name}.lora_{side.lower()}", weight
    _check_pairs(path, keys)


def _check_rank(path: Path, key: str, weight: np.ndarray, side: str, rank: int) -> None:
    """Raises `ModelError` unless a tensor is a matrix of the adapter's rank."""
    if weight.ndim != 2 or weight.shape[0 if side == "A" else 1] != rank:
        raise ModelError(
            f"{path}: {key} has shape {weight.shape}, which is no matrix of the rank {rank} that "
            f"{CONFIG} says; restore the adapter's files, or train it again"
        )


def _check_base(
    path: Path, key: str, weight: np.ndarray, side: str, base: GgufHeader, name: str
) -> None:
    """Raises `ModelError` unless a tensor fits the one that it changes."""
    tensor = base.tensors.get(name)
    wanted = None if tensor is None else tensor.shape[1 if side == "A" else 0]
    if weight.shape[1 if side == "A" else 0] != wanted:
        raise ModelError(
            f"{path}: {key} has shape {weight.shape}, and {name} of {base.path} "
            f"{'is not there' if tensor is None else f'has {tensor.shape}'}; the adapter was "
            "trained on another base"
        )


def _check_pairs(path: Path, keys: Collection[str]) -> None:
    """Raises `ModelError` unless there are tensors, each with the other one of its pair."""
    if not keys:
        raise ModelError(f"{path}: has no tensors; restore the file, or train the adapter again")
    for key in keys:
        layer, _, side = key.rpartition(".lora_")
        other = f"{layer}.lora_{'B' if side.startswith('A') else 'A'}.weight"
        if other not in keys:
            raise ModelError(
                f"{path}: has {key} without {other}; restore the file, or train the adapter again"
            )


def _reordered(weight: np.ndarray, heads: int) -> np.ndarray:
    """The rows of each head, its two halves interleaved: the order of llama's rotary embedding in
    GGUF files."""
    rows, rank = weight.shape
    split = weight.reshape(heads, 2, rows // heads // 2, rank)
    return split.swapaxes(1, 2).reshape(rows, rank)
