"""The header of a GGUF file: its metadata, and the name and shape of each tensor.

Reads a few megabytes at most and keeps no array but those asked for, since a vocabulary has
hundreds of thousands of strings. Every fault of a file is a `ModelError` that names it.
"""

import math
import mmap
import struct
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.models.errors import ModelError

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_DEFAULT_ALIGNMENT = 32

TOKENS = "tokenizer.ggml.tokens"
TOKEN_TYPES = "tokenizer.ggml.token_type"


@dataclass(frozen=True)
class GgufTensor:
    """A tensor: its shape as in PyTorch, rows first, and the number of GGML's type."""

    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF file says of itself. Arrays that were not asked for are not in `metadata`."""

    path: Path
    metadata: Mapping[str, Any]
    tensors: Mapping[str, GgufTensor]
    data_start: int

    @property
    def architecture(self) -> str:
        """Such as `llama`."""
        return str(self.metadata.get("general.architecture", ""))

    def of_architecture(self, key: str) -> int:
        """A number such as `block_count`, which is kept under the architecture's name.

        Raises:
            ModelError: there is none.
        """
        name = f"{self.architecture}.{key}"
        if name not in self.metadata:
            raise ModelError(f"{self.path}: has no {name}; it is no language model, or damaged")
        return int(self.metadata[name])


def is_gguf(path: Path) -> bool:
    """Whether a file begins as a GGUF file does; raises `ModelError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise ModelError(f"{path}: cannot be read as GGUF: {error}") from error


def read_header(path: Path, arrays: Collection[str] = ()) -> GgufHeader:
    """Reads the header of a file.

    Args:
        path: the file.
        arrays: the keys of the arrays that are wanted.

    Raises:
        ModelError: it is no GGUF file, or its header is cut off.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(path, data, arrays).header()
    except (struct.error, LookupError, ArithmeticError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: its header is cut off or damaged; fetch it again") from error
    except (OSError, ValueError) as error:  # mmap says ValueError of an empty file
        raise ModelError(f"{path}: cannot be read as GGUF: {error}") from error


def check_whole(header: GgufHeader) -> None:
    """Raises `ModelError` if the file ends before its last tensor."""
    from gguf import GGML_QUANT_SIZES  # noqa: PLC0415 - imports numpy

    sizes = {kind.value: size for kind, size in GGML_QUANT_SIZES.items()}
    end = header.data_start
    for tensor in header.tensors.values():
        block, block_bytes = sizes.get(tensor.kind, (1, 0))  # a type newer than the package
        size = math.prod(tensor.shape) // block * block_bytes
        end = max(end, header.data_start + tensor.offset + size)
    actual = header.path.stat().st_size
    if actual < end:
        raise ModelError(
            f"{header.path}: has {actual:,} of at least {end:,} bytes; its download was cut off: "
            "fetch it again"
        )


class _Reader:
    """Reads values one after the other."""

    def __init__(self, path: Path, data: mmap.mmap, arrays: Collection[str]) -> None:
        self._path, self._data, self._arrays = path, data, arrays
        self._at = 0

    def header(self) -> GgufHeader:
        if self._data[: len(MAGIC)] != MAGIC:
            raise ModelError(f"{self._path}: is no GGUF file")
        self._at = len(MAGIC)
        version = self._scalar("I")
        if version not in _VERSIONS:
            raise ModelError(f"{self._path}: is GGUF version {version}; 2 and 3 can be read")
        tensor_count, key_count = self._scalar("Q"), self._scalar("Q")
        metadata: dict[str, Any] = {}
        for _ in range(key_count):
            key, kind = self._string(), self._scalar("I")
            value = self._array(key) if kind == _ARRAY else self._value(kind)
            if value is not None:
                metadata[key] = value
        tensors = dict(self._tensor() for _ in range(tensor_count))
        alignment = int(metadata.get("general.alignment", _DEFAULT_ALIGNMENT))
        start = -(-self._at // alignment) * alignment
        return GgufHeader(self._path, metadata, tensors, start)

    def _tensor(self) -> tuple[str, GgufTensor]:
        name = self._string()
        dimensions = [self._scalar("Q") for _ in range(self._scalar("I"))]
        kind, offset = self._scalar("I"), self._scalar("Q")
        return name, GgufTensor(tuple(reversed(dimensions)), kind, offset)

    def _value(self, kind: int) -> Any:
        return self._string() if kind == _STRING else self._scalar(_SCALARS[kind])

    def _array(self, key: str) -> list[Any] | None:
        kind, count = self._scalar("I"), self._scalar("Q")
        if kind != _STRING:
            code = _SCALARS[kind]
            start, self._at = self._at, self._at + struct.calcsize(code) * count
            if key not in self._arrays:
                return None
            return list(struct.unpack_from(f"<{count}{code}", self._data, start))
        read: Callable[[], object] = self._string if key in self._arrays else self._skip_string
        values = [read() for _ in range(count)]
        return values if key in self._arrays else None

    def _scalar(self, code: str) -> Any:
        (value,) = struct.unpack_from(f"<{code}", self._data, self._at)
        self._at += struct.calcsize(f"<{code}")
        return value

    def _string(self) -> str:
        length = self._scalar("Q")
        raw = self._data[self._at : self._at + length]
        if len(raw) < length:
            raise IndexError("past the end")
        self._at += length
        return raw.decode()

    def _skip_string(self) -> None:
        length = self._scalar("Q")  # first: it moves on itself
        self._at += length
