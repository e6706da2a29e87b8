"""The tensors of a safetensors file, without torch."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, deserialize

from deployments.models.errors import ModelError

_KINDS = {"F16": "<f2", "F32": "<f4", "I64": "<i8"}


def read_tensors(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The tensors by name; bfloat16, which numpy lacks, as float32.

    Raises:
        ModelError: the file cannot be read.
    """
    try:
        found = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]  # it has no types
        for key, facts in sorted(found):  # they come in any order
            kind, shape, data = facts["dtype"], facts["shape"], bytes(facts["data"])
            if kind == "BF16":
                values = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
            else:
                values = np.frombuffer(data, _KINDS[kind])
            yield key, values.reshape(shape)
    except (OSError, SafetensorError, KeyError) as error:
        raise ModelError(f"{path}: cannot be read: {error!r}") from error
