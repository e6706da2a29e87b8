"""Labelled texts and their separation into splits that share nothing.

Rule: what is measured wins. A training row that shares its group, its wording or (nearly) its
vector with a row of validation, test or unseen traffic is dropped, and so on down the order; the
number of drops is reported.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from router.errors import TrainingError
from router.types import Query

SPLITS = ("train", "validation", "calibration", "test", "unseen")
"""`validation` chooses settings, `calibration` makes guarantees, `unseen` is other traffic.
The earlier gives way to the later when rows are alike."""

_SHARES = (0.6, 0.72, 0.86, 1.0)
"""Where the first four splits end when groups draw them."""

_BLOCK = 1024
"""Rows that are compared with all others at a time: of 100,000 at once memory would not hold."""

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
        """One of `SPLITS`; None lets the group draw one of the first four."""

    @property
    def source(self) -> str:
        """Where it comes from; figures are shown per source."""


@runtime_checkable
class HasQuery(Protocol):
    """A row that keeps the whole query, its conversation included."""

    @property
    def query(self) -> Query:
        """What the router is asked."""


@runtime_checkable
class HasExcessLoss(Protocol):
    """A row that may know how both a specialist and the generalist answered it."""

    @property
    def excess_loss(self) -> float | None:
        """The generalist's score less the specialist's, in [-1, 1]; None if it is not known."""


@dataclass(frozen=True, slots=True)
class Row:
    """A `LabelledRow` for those who have none of their own."""

    text: str
    domain: str
    group: str
    split: str | None = None
    source: str = ""
    excess_loss: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """Indices into the rows for each split, and how many rows were dropped to keep them apart."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    calibration: NDArray[np.int64]
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
    drawn = _drawn(rows)
    ranks = np.array([_rank(row, drawn) for row in rows])
    kept = _kept_by_key(ranks, [row.group for row in rows])
    wordings = [wording(row.text) for row in rows]
    kept &= _kept_by_key(ranks, wordings) & _first_of_each(
        list(zip(ranks.tolist(), wordings, strict=True))
    )
    for rank in range(len(SPLITS) - 1):
        lower = np.flatnonzero(kept & (ranks == rank))
        higher = np.flatnonzero(kept & (ranks > rank))
        for start in range(0, len(lower) if len(higher) else 0, _BLOCK):
            block = lower[start : start + _BLOCK]
            likeness = (vectors[block] @ vectors[higher].T).max(axis=1)
            kept[block[likeness >= near_duplicate]] = False
    parts = {name: np.flatnonzero(kept & (ranks == rank)) for rank, name in enumerate(SPLITS)}
    return Splits(**parts, dropped=int((~kept).sum()))


def excess_loss(row: LabelledRow) -> float:
    """How much worse the specialist answered than the generalist; NaN where that is not known."""
    found = row.excess_loss if isinstance(row, HasExcessLoss) else None
    return float("nan") if found is None else found


def query_of(row: LabelledRow) -> Query:
    """What the router is asked: the row's conversation, or its text alone."""
    return row.query if isinstance(row, HasQuery) else Query(text=row.text)


def fingerprint(rows: Sequence[LabelledRow]) -> str:
    """Checksum of the rows' texts and domains, whatever their order."""
    lines = sorted(f"{row.domain}\0{row.text}" for row in rows)
    return hashlib.sha256("\1".join(lines).encode()).hexdigest()


def _drawn(rows: Sequence[LabelledRow]) -> dict[str, int]:
    """A split for each group whose rows name none: by lot, but in every domain in the same shares,
    so that small domains are measured too."""
    domains: dict[str, str] = {}
    for row in rows:
        if row.split is None:
            domains.setdefault(row.group, row.domain)
    members: dict[str, list[str]] = {}
    for group, domain in domains.items():
        members.setdefault(domain, []).append(group)
    ranks: dict[str, int] = {}
    for groups in members.values():
        groups.sort(key=lambda group: hashlib.sha256(group.encode()).digest())
        for place, group in enumerate(groups):
            ranks[group] = int(np.searchsorted(_SHARES, (place + 0.5) / len(groups)))
    return ranks


def _rank(row: LabelledRow, drawn: Mapping[str, int]) -> int:
    if row.split is None:
        return drawn[row.group]
    if row.split not in SPLITS:
        raise TrainingError(
            f"row {row.text[:60]!r}: no split {row.split!r}; allowed: {', '.join(SPLITS)}, or None"
        )
    return SPLITS.index(row.split)


def wording(text: str) -> str:
    """The words alone, in one case; the text itself where it has no words."""
    return _NOT_A_WORD.sub(" ", text.casefold()).strip() or text.strip()


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
