"""What a llama.cpp server will take of the machine's memory, before it takes it: beyond what is
there the system ends the replica without a word."""

from collections.abc import Iterable
from pathlib import Path

import psutil

from deployments.engines._llama_options import LlamaOptions
from deployments.models.errors import ModelError
from deployments.models.gguf_file import TOKENS, GgufHeader
from deployments.models.gguf_parts import parts_of

_BYTES_PER_VALUE = {"f16": 2.0, "q8_0": 34 / 32}
_WORK_BYTES = 100_000_000
"""About what forward passes of small models need beside weights and cache."""
_CGROUPS = Path("/sys/fs/cgroup")
_LIMITS = (
    ("memory.max", "memory.current", "inactive_file active_file"),
    (
        *("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
        "total_inactive_file total_active_file",
    ),
)
"""Of the two versions: the files of limit and use, and pages of files, which can be given up."""
_USABLE = 0.95
"""Of a limit; beyond it Ray ends replicas."""


def check_memory(
    base: GgufHeader,
    adapters: Iterable[Path],
    options: LlamaOptions,
    available: int,
    *,
    whole_inputs: bool = False,
) -> None:
    """Raises `ModelError` if the models need more memory than is there.

    Args:
        base: the model.
        adapters: the files of its adapters.
        options: those of the process.
        available: bytes that can be taken.
        whole_inputs: whether a pass holds whole inputs, as for vectors and scores.
    """
    weights = sum(path.stat().st_size for path in parts_of(base.path))
    loras = sum(path.stat().st_size for path in adapters)
    cache = round(_cache_bytes_per_token(base, options.kv_cache_type) * _tokens(options))
    work = _WORK_BYTES + (_words_bytes(base, options) if whole_inputs else 0)
    needed = weights + loras + cache + work
    if needed <= available:
        return
    raise ModelError(
        f"{base.path}: needs about {_gigabytes(needed)} of memory (weights {_gigabytes(weights)}, "
        f"adapters {_gigabytes(loras)}, and {_gigabytes(cache)} for engine_options."
        f"parallel_requests {options.parallel_requests} of max_context_tokens "
        f"{options.max_context_tokens} each), and {_gigabytes(available)} are available; lower "
        "these two, name fewer adapters, or use a smaller model"
    )


def _words_bytes(base: GgufHeader, options: LlamaOptions) -> int:
    """Of a score of each word of the vocabulary for each token of a pass, which llama.cpp keeps
    though nobody asks for it."""
    return len(base.metadata.get(TOKENS, ())) * options.inputs_batch_tokens * 4


def _tokens(options: LlamaOptions) -> int:
    return options.parallel_requests * options.max_context_tokens


def _cache_bytes_per_token(base: GgufHeader, kind: str) -> float:
    """Keys and values of all layers; 0 where the file does not say it in single numbers, or where
    layers keep a part of the context alone: rather a check too few than a model refused that fits.
    """

    def number(key: str) -> int:
        return int(base.metadata.get(f"{base.architecture}.{key}", 0))

    heads = number("attention.head_count")
    width = number("embedding_length") // heads if heads else 0
    keys = number("attention.key_length") or width
    values = number("attention.value_length") or width
    kept = 0 if number("attention.sliding_window") else number("attention.head_count_kv")
    return number("block_count") * kept * (keys + values) * _BYTES_PER_VALUE[kind]


def available_bytes(cgroups: Path = _CGROUPS) -> int:
    """The memory that a process can take: of the machine, and of its container."""
    machine: int = psutil.virtual_memory().available
    return min([machine, *_of_container(cgroups)])


def _of_container(cgroups: Path) -> Iterable[int]:
    for limit_file, used_file, kept_names in _LIMITS:
        try:
            limit = int((cgroups / limit_file).read_text())
            used = int((cgroups / used_file).read_text())
            lines = (cgroups / limit_file).with_name("memory.stat").read_text().splitlines()
        except (OSError, ValueError):  # another version, or no limit
            continue
        kept = {name: int(value) for name, _, value in (line.partition(" ") for line in lines)}
        freed = sum(kept.get(name, 0) for name in kept_names.split())
        yield max(0, round(_USABLE * limit) - used + freed)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
