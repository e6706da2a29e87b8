"""A LoRA on an encoder: a file of one or two MB that turns the base encoder into a trained one.

    adapter.safetensors     `<matrix>.a` (rank, inputs) and `<matrix>.b` (outputs, rank), float16
      its metadata          base_sha256, layers, scale

The merged weights are those of the base's first `layers` layers, each matrix plus `scale` x b @ a.
Merging needs numpy alone.

Source: Hu et al., LoRA, arXiv:2106.09685.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from router.encoders.encoding import checksum
from router.errors import EncoderError

FILE = "adapter.safetensors"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """A trained change of an encoder.

    Attributes:
        base_sha256: checksum of the base's weights.
        layers: layers of the base that are kept, from the first.
        scale: factor of the products.
        pairs: `a` and `b` of each changed matrix, by the matrix's name without `.weight`.
        sha256: checksum of its file.

    Raises:
        ValueError: a pair is not two matrices of one rank, a number is not finite, or no layer is
            kept.
    """

    base_sha256: str
    layers: int
    scale: float
    pairs: Mapping[str, tuple[Floats, Floats]]
    sha256: str = ""

    def __post_init__(self) -> None:
        if self.layers < 1 or not np.isfinite(self.scale):
            raise ValueError(f"layers {self.layers}, scale {self.scale}")
        for name, (a, b) in self.pairs.items():
            if a.ndim != 2 or b.ndim != 2 or len(a) != b.shape[1]:
                raise ValueError(f"{name!r} is of shapes {a.shape} and {b.shape}")
            if not (np.isfinite(a).all() and np.isfinite(b).all()):
                raise ValueError(f"{name!r} has numbers that are not finite")

    def merged(self, weights: Mapping[str, Floats]) -> dict[str, Floats]:
        """The weights of the trained encoder.

        Args:
            weights: the base's, by name.

        Raises:
            EncoderError: the base lacks a layer or a matrix, or one has another shape.
        """
        found = dict(weights)
        last = f"encoder.layer.{self.layers - 1}."
        if not any(name.startswith(last) for name in found):
            raise EncoderError(
                f"the adapter keeps {self.layers} layers, and the encoder has fewer; name the "
                "encoder that it was trained on"
            )
        for name, (a, b) in self.pairs.items():
            matrix = found.get(f"{name}.weight")
            if matrix is None or matrix.shape != (len(b), a.shape[1]):
                raise EncoderError(
                    f"the adapter changes {name!r}, which the encoder does not have in this shape; "
                    "name the encoder that it was trained on"
                )
            found[f"{name}.weight"] = matrix + np.float32(self.scale) * (b @ a)
        return found

    def identity(self, base_sha256: str) -> str:
        """The checksum that stands for base and adapter together.

        Raises:
            EncoderError: the adapter was trained on another base.
        """
        if base_sha256 != self.base_sha256:
            raise EncoderError(
                f"the adapter was trained on an encoder with sha256 {self.base_sha256}, not "
                f"{base_sha256}; name that encoder, or train an artifact with yours"
            )
        return hashlib.sha256(f"{base_sha256}+{self.sha256}".encode()).hexdigest()


def adapter_of(artifact: Path) -> Adapter | None:
    """The adapter of an artifact's directory; None if its encoder is the base.

    Raises:
        EncoderError: its file is damaged.
    """
    file = artifact / FILE
    return read_adapter(file) if file.exists() else None


def read_adapter(file: Path) -> Adapter:
    """Reads an adapter.

    Raises:
        EncoderError: the file is absent or damaged.
    """
    sha256 = checksum(file)
    try:
        with safe_open(file, framework="numpy") as opened:
            about = opened.metadata() or {}
            found = sorted(opened.keys())
            tensors = {name: opened.get_tensor(name).astype(np.float32) for name in found}
        names = sorted({name.rpartition(".")[0] for name in tensors})
        return Adapter(
            base_sha256=about["base_sha256"],
            layers=int(about["layers"]),
            scale=float(about["scale"]),
            pairs={name: (tensors[f"{name}.a"], tensors[f"{name}.b"]) for name in names},
            sha256=sha256,
        )
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise EncoderError(
            f"{file} is no adapter of an encoder ({error}); restore it, or train again"
        ) from error


def save_adapter(adapter: Adapter, file: Path) -> None:
    """Writes an adapter, in half precision."""
    tensors: dict[str, Any] = {}
    for name, pair in adapter.pairs.items():
        for part, matrix in zip("ab", pair, strict=True):
            tensors[f"{name}.{part}"] = np.ascontiguousarray(matrix, np.float16)
    about = {
        "base_sha256": adapter.base_sha256,
        "layers": str(adapter.layers),
        "scale": repr(adapter.scale),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file, about)
