"""Reads the public data sets, and checks that each is the expected file.

No data is part of this project. A data set is a file below a local directory; its sha256 is checked
before a row is read, so that a trained artifact can say exactly what it was trained on.
`ship` is true where the licence lets weights trained on the rows be distributed. The sets are
listed in `lab.datasets.sources`.
"""

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.datasets.sources import DATASETS


class DatasetError(Exception):
    """A data set is missing, is not the expected file, or has a row that cannot be read."""


def read_text(name: str, data_dir: Path) -> str:
    """The text of a data set's file, decompressed, after checking the file's checksum.

    Args:
        name: a key of `DATASETS`.
        data_dir: the directory that `Dataset.path` is relative to.

    Raises:
        DatasetError: the name is unknown, or the file is absent or altered.
    """
    try:
        dataset = DATASETS[name]
    except KeyError:
        known = ", ".join(sorted(DATASETS))
        raise DatasetError(f"unknown data set {name!r}; known: {known}") from None
    path = data_dir / dataset.path
    if not path.is_file():
        raise DatasetError(
            f"data set {name!r} is not at {path}. Get it from {dataset.source} and put it there, "
            "or name another directory with --data-dir."
        )
    raw = path.read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != dataset.sha256:
        raise DatasetError(
            f"{path} is not the file this recipe was written for: "
            f"sha256 {found}, expected {dataset.sha256}"
        )
    return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")


def read_rows(name: str, data_dir: Path) -> Iterator[dict[str, Any]]:
    """Yields the rows of a data set, in file order, after checking the file's checksum.

    Args:
        name: a key of `DATASETS`.
        data_dir: the directory that `Dataset.path` is relative to.

    Raises:
        DatasetError: the name is unknown, the file is absent or altered, or a line is not JSON.
    """
    for number, line in enumerate(read_text(name, data_dir).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            fault = f"data set {name!r}, line {number}: not JSON ({error.msg})"
            raise DatasetError(fault) from error
