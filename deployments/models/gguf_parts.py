"""A model in one GGUF file, or in several: of each the name ends in its number and how many there
are, such as `-00001-of-00003.gguf`. The first one has the metadata, and each its own tensors."""

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from deployments.models.gguf_file import GgufHeader, check_whole, read_header

_FIRST_OF_SEVERAL = re.compile(r"(.+)-00001-of-(\d{5})\.gguf")


def part_names(name: str) -> list[str]:
    """The names of all files of a model, of which this is the first one's."""
    several = _FIRST_OF_SEVERAL.fullmatch(name)
    if several is None:
        return [name]
    start, count = several[1], several[2]
    return [f"{start}-{number:05}-of-{count}.gguf" for number in range(1, int(count) + 1)]


def parts_of(path: Path) -> list[Path]:
    """All files of a model, of which this is the first."""
    return [path.with_name(name) for name in part_names(path.name)]


def read_model(path: Path, arrays: Collection[str] = ()) -> GgufHeader:
    """The header of a whole model: the first file's, with the tensors of all.

    Args:
        path: the only file, or the first of several.
        arrays: as of `read_header`.

    Raises:
        ModelError: a file is absent, damaged or cut off.
    """
    headers = [read_header(part, arrays) for part in parts_of(path)]
    for header in headers:
        check_whole(header)
    tensors = {name: tensor for header in headers for name, tensor in header.tensors.items()}
    return replace(headers[0], tensors=tensors)
