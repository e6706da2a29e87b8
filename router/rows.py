"""Labelled texts and their separation into splits that share nothing.

Rule: what is measured wins. A training row that shares its group, its wording or (nearly) its
vector with a row of validation, test or unseen traffic is dropped, and so on down the order; the
number of drops is reported.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from router.errors import TrainingError

__all__ = ["SPLITS", "LabelledRow", "Row", "Splits", "fingerprint", "separate"]

SPLITS = ("train", "validation", "test", "unseen")
"""The earlier gives way to the later when rows are alike; `unseen` is other sources' traffic."""

_NOT_A_WORD = re.compile(r"[\W_]+")


class LabelledRow(Protocol):
    """A text with its domain."""

    @property
    def text(self) -> str:
        """What the user says."""

    @property
    def domain(self) -> str:
        """Where it belongs."""

    @property
    def group(self) -> str:
        """What must not be split between training and test, such as a table or a document."""

    @property
    def split(self) -> str | None:
        """One of `SPLITS`; None lets the group draw one of the first three."""

    @property
    def source(self) -> str:
        """Where it comes from; figures are shown per source."""


@dataclass(frozen=True, slots=True)
class Row:
    """A `LabelledRow` for those who have none of their own."""

    text: str
    domain: str
    group: str
    split: str | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """Indices into the rows for each split, and how many rows were dropped to keep them apart."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    unseen: NDArray[np.int64]
    dropped: int


def separate(
    rows: Sequence[LabelledRow], vectors: NDArray[np.float32], near_duplicate: float
) -> Splits:
    """Splits the rows so that no group, wording or near-duplicate stands on two sides.

    Args:
        rows: n rows.
        vectors: their vectors of length 1, shape (n, dimensions).
        near_duplicate: cosine from which two texts count as the same.

    Raises:
        TrainingError: a row names an unknown split.
    """
    ranks = np.array([_rank(row) for row in rows])
    kept = _kept_by_key(ranks, [row.group for row in rows])
    wordings = [_wording(row.text) for row in rows]
    kept &= _kept_by_key(ranks, wordings) & _first_of_each(
        list(zip(ranks.tolist(), wordings, strict=True))
    )
    for rank in range(len(SPLITS) - 1):
        lower = np.flatnonzero(kept & (ranks == rank))
        higher = np.flatnonzero(kept & (ranks > rank))
        if len(lower) and len(higher):
            likeness = (vectors[lower] @ vectors[higher].T).max(axis=1)
            kept[lower[likeness >= near_duplicate]] = False
    parts = [np.flatnonzero(kept & (ranks == rank)) for rank in range(len(SPLITS))]
    train, validation, test, unseen = parts
    return Splits(train, validation, test, unseen, int((~kept).sum()))


def fingerprint(rows: Sequence[LabelledRow]) -> str:
    """Checksum of the rows' texts and domains, whatever their order."""
    lines = sorted(f"{row.domain}\0{row.text}" for row in rows)
    return hashlib.sha256("\1".join(lines).encode()).hexdigest()


def _rank(row: LabelledRow) -> int:
    if row.split is None:
        draw = int.from_bytes(hashlib.sha256(row.group.encode()).digest()[:4], "big") / 2**32
        return 0 if draw < 0.7 else 1 if draw < 0.85 else 2
    if row.split not in SPLITS:
        raise TrainingError(
            f"row {row.text[:60]!r}: no split {row.split!r}; allowed: {', '.join(SPLITS)}, or None"
        )
    return SPLITS.index(row.split)


def _wording(text: str) -> str:
    return _NOT_A_WORD.sub(" ", text.casefold()).strip()


def _kept_by_key(ranks: NDArray[np.int64], keys: Sequence[str]) -> NDArray[np.bool_]:
    highest: dict[str, int] = {}
    for key, rank in zip(keys, ranks.tolist(), strict=True):
        highest[key] = max(rank, highest.get(key, 0))
    return np.array([highest[key] for key in keys]) == ranks


def _first_of_each(keys: Sequence[tuple[int, str]]) -> NDArray[np.bool_]:
    first: dict[tuple[int, str], int] = {}
    for index, key in enumerate(keys):
        first.setdefault(key, index)
    return np.array([first[key] == index for index, key in enumerate(keys)], np.bool_)
