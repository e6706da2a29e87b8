"""Labelled texts, and their separation into disjoint splits.

Rule: evaluation rows take precedence. A training row that shares its group, its wording or (nearly)
its vector with a validation, test or unseen row is dropped; likewise each split yields to the later
ones. Within a split, a prompt that comes again is dropped, and one that has the text of another but
another system prompt or conversation is kept. The number of dropped rows is reported.
"""

import hashlib
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from deployments.protocol import Message
from router.errors import TrainingError
from router.types import Query

SPLITS = ("train", "validation", "calibration", "test", "unseen")
"""`validation` chooses settings, `calibration` makes guarantees, `unseen` is other traffic.
Of similar rows, the one in the earlier split is dropped."""

_SHARES = (0.6, 0.72, 0.86, 1.0)
"""Cumulative shares of the first four splits when groups are drawn."""

_BLOCK = 1024
"""Rows compared with all others at a time: 100,000 at once would exceed memory."""

_NOT_A_WORD = re.compile(r"[\W_]+")


class LabelledRow(Protocol):
    """A text with its domain."""

    @property
    def text(self) -> str:
        """The user's message."""

    @property
    def domain(self) -> str:
        """Its label."""

    @property
    def group(self) -> str:
        """Rows of one group stay in one split, such as those of a table or a document."""

    @property
    def split(self) -> str | None:
        """One of `SPLITS`; None: one of the first four, drawn by group."""

    @property
    def source(self) -> str:
        """Its origin; figures are shown per source."""


@runtime_checkable
class HasQuery(Protocol):
    """A row with the whole query, including the conversation."""

    @property
    def query(self) -> Query:
        """The router's input."""


@runtime_checkable
class HasExcessLoss(Protocol):
    """A row that may have scores of both a specialist and the generalist."""

    @property
    def excess_loss(self) -> float | None:
        """The generalist's score minus the specialist's, in [-1, 1]; None if unknown."""


@dataclass(frozen=True, slots=True)
class Row:
    """A plain `LabelledRow`."""

    text: str
    domain: str
    group: str
    split: str | None = None
    source: str = ""
    excess_loss: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """Row indices of each split, and the number of rows dropped to keep the splits disjoint."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    calibration: NDArray[np.int64]
    test: NDArray[np.int64]
    unseen: NDArray[np.int64]
    dropped: int


def separate(
    rows: Sequence[LabelledRow], vectors: NDArray[np.float32], near_duplicate: float
) -> Splits:
    """Splits the rows so that no group, wording or near-duplicate is in two splits.

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
    kept &= _kept_by_key(ranks, [wording(row.text) for row in rows])
    kept &= _first_of_each([(rank, _turns(row)) for rank, row in zip(ranks, rows, strict=True)])
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
    """The excess loss of each row; NaN if unknown."""
    found = row.excess_loss if isinstance(row, HasExcessLoss) else None
    return float("nan") if found is None else found


def query_of(row: LabelledRow) -> Query:
    """The router's input: the row's conversation, or else its text."""
    return row.query if isinstance(row, HasQuery) else Query(text=row.text)


def fingerprint(rows: Sequence[LabelledRow]) -> str:
    """Checksum of the rows' texts and domains, independent of their order."""
    lines = sorted(f"{row.domain}\0{row.text}" for row in rows)
    return hashlib.sha256("\1".join(lines).encode()).hexdigest()


def _drawn(rows: Sequence[LabelledRow]) -> dict[str, int]:
    """Draws a split for each group without one, stratified by domain, so that small domains are
    evaluated too."""
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
    """The words of a text in lower case; the text itself if it has no words."""
    return _NOT_A_WORD.sub(" ", text.casefold()).strip() or text.strip()


def _kept_by_key(ranks: NDArray[np.int64], keys: Sequence[str]) -> NDArray[np.bool_]:
    highest: dict[str, int] = {}
    for key, rank in zip(keys, ranks.tolist(), strict=True):
        highest[key] = max(rank, highest.get(key, 0))
    return np.array([highest[key] for key in keys]) == ranks


def _turns(row: LabelledRow) -> tuple[tuple[str, str], ...]:
    """The wordings of the whole query: below another system prompt a text is another prompt."""
    turns = query_of(row).messages or (Message("user", row.text),)
    return tuple((turn.role, wording(turn.content)) for turn in turns)


def _first_of_each(keys: Sequence[Hashable]) -> NDArray[np.bool_]:
    first: dict[Hashable, int] = {}
    for index, key in enumerate(keys):
        first.setdefault(key, index)
    return np.array([first[key] == index for index, key in enumerate(keys)], np.bool_)
