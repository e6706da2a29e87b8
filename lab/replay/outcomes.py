"""Recorded outcomes: the score and cost of several models on the same prompts.

Rule: every prompt was answered by every model. Models are ordered by mean cost.
"""

import csv
import gzip
import io
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lab.routing.rows import wording
from lab.statistics.jsonl import Fault, read_jsonl, shorten, string
from router.errors import DataError

Doubles = NDArray[np.float64]


class Recorded(Protocol):
    """One prompt with each model's score and cost."""

    @property
    def prompt(self) -> str:
        """The prompt."""

    @property
    def scores(self) -> Mapping[str, float]:
        """Each model's score, in [0, 1]."""

    @property
    def costs(self) -> Mapping[str, float]:
        """Each model's cost, at least 0, in the same unit."""

    @property
    def group(self) -> str | None:
        """The domain; None if unknown."""

    @property
    def cluster(self) -> str | None:
        """Rows of one cluster stay in one split; None: prompts of the same wording."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """The scores and costs of n prompts and k models.

    Attributes:
        prompts: n texts.
        groups: the domain of each; None if unknown.
        clusters: rows of one cluster are drawn, and put into a fold, together.
        models: k names, by mean cost, the cheapest first.
        scores: in [0, 1], shape (n, k).
        costs: at least 0, shape (n, k).

    Raises:
        DataError: there is only one model or prompt, or all models cost the same.
    """

    prompts: tuple[str, ...]
    groups: tuple[str, ...] | None
    clusters: tuple[str, ...]
    models: tuple[str, ...]
    scores: Doubles
    costs: Doubles

    def __post_init__(self) -> None:
        if len(self.models) < 2:
            raise DataError("the outcomes have one model; routing needs two: record another")
        if len(set(self.clusters)) < 2:
            raise DataError("the outcomes have one prompt; record more")
        low, *_, high = self.costs.mean(axis=0)
        if not low < high:
            raise DataError(
                "all models cost the same, so there is nothing to save; give costs that differ, "
                "or --price MODEL=COST"
            )

    @property
    def best(self) -> int:
        """The model with the best mean score; of equals the cheapest."""
        return int(self.scores.mean(axis=0).argmax())

    @property
    def gain(self) -> Doubles | None:
        """The best model's score minus the cheapest's, for each prompt, shape (n,).

        None if the cheapest model is the best, so there is no gain to recover.
        """
        return None if self.best == 0 else self.scores[:, self.best] - self.scores[:, 0]

    def sample(self, count: int, seed: int = 0) -> "Outcomes":
        """A random sample of the prompts, in their order; all if there are not more."""
        size = min(count, len(self.prompts))
        kept = np.sort(np.random.default_rng(seed).permutation(len(self.prompts))[:size])
        return _outcomes(
            [self.prompts[at] for at in kept],
            None if self.groups is None else [self.groups[at] for at in kept],
            [self.clusters[at] for at in kept],
            (self.models, self.scores[kept], self.costs[kept]),
        )


def gather(rows: Sequence[Recorded]) -> Outcomes:
    """Combines recorded rows.

    Raises:
        DataError: they name different models, only some have a group, or `Outcomes` rejects them.
    """
    if not rows:
        raise DataError("there are no outcomes; record some")
    names = list(rows[0].scores)
    for number, row in enumerate(rows, start=1):
        if set(row.scores) != set(names):
            raise DataError(
                f"outcome {number} has scores of {', '.join(sorted(row.scores))}, the first of "
                f"{', '.join(sorted(names))}; every model must have answered every prompt"
            )
    groups = [row.group for row in rows if row.group is not None]
    if groups and len(groups) < len(rows):
        raise DataError(f"{len(rows) - len(groups):,} outcomes have no group; give all one or none")
    table = {
        kind: np.array([[values[name] for name in names] for values in of], np.float64)
        for kind, of in (
            ("scores", [row.scores for row in rows]),
            ("costs", [row.costs for row in rows]),
        )
    }
    return _outcomes(
        [row.prompt for row in rows],
        groups or None,
        [wording(row.prompt) if row.cluster is None else row.cluster for row in rows],
        (names, table["scores"], table["costs"]),
    )


def _outcomes(
    prompts: Sequence[str],
    groups: Sequence[str] | None,
    clusters: Sequence[str],
    answers: tuple[Sequence[str], Doubles, Doubles],
) -> Outcomes:
    models, scores, costs = answers
    order = np.argsort(costs.mean(axis=0), kind="stable")
    return Outcomes(
        prompts=tuple(prompts),
        groups=None if groups is None else tuple(groups),
        clusters=tuple(clusters),
        models=tuple(models[at] for at in order),
        scores=scores[:, order],
        costs=costs[:, order],
    )


_SCORE, _COST = "score:", "cost:"
_SHOWN_FAULTS = 10


@dataclass(frozen=True, slots=True)
class RecordedRow:
    """See `lab.replay.outcomes.Recorded`."""

    prompt: str
    scores: Mapping[str, float]
    costs: Mapping[str, float]
    group: str | None = None
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Options for reading a file.

    Attributes:
        group_key: the key, or the column, of the domain.
        prices: cost of an answer, by model; overrides the file's costs.
    """

    group_key: str = "group"
    prices: Mapping[str, float] = field(default_factory=dict)


def read_outcomes(path: Path, layout: Layout | None = None) -> list[RecordedRow]:
    """The rows of a file: CSV if its name ends in `.csv`, else JSON Lines.

    Args:
        path: the file; read through gzip where its name ends in `.gz`.
        layout: the options.

    Raises:
        DataError: the file cannot be read or holds nothing, or lines have faults.
    """
    given = layout or Layout()
    if path.name.removesuffix(".gz").endswith(".csv"):
        return _read_csv(path, given)
    return read_jsonl(path, lambda value: _row(value, given))


def _read_csv(path: Path, layout: Layout) -> list[RecordedRow]:
    reader = csv.DictReader(io.StringIO(_text(path), newline=""))
    found: list[RecordedRow] = []
    faults: list[str] = []
    try:
        for line in reader:
            try:
                found.append(_row(_nested(line), layout))
            except Fault as fault:
                faults.append(f"{path}:{reader.line_num}: {fault}")
    except csv.Error as error:  # such as a prompt longer than its reader allows
        faults.append(f"{path}:{reader.line_num + 1}: {error}; write such a file as JSON Lines")
    if faults:
        raise DataError("\n".join(faults[:_SHOWN_FAULTS]))
    if not found:
        raise DataError(f"{path} holds no rows; write a line of column names and one per prompt")
    return found


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path} cannot be read: {reason}; name a file of UTF-8 text") from error


def _nested(line: Mapping[str | None, Any]) -> dict[str, Any]:
    """A line of CSV as the equivalent JSON object; empty cells are left out."""
    if None in line or None in line.values():
        raise Fault("has more or fewer cells than the first line has names")
    row: dict[str, Any] = {"scores": {}, "costs": {}}
    for column, cell in line.items():
        name = column or ""
        if not cell:
            continue
        if name.startswith(_SCORE):
            row["scores"][name.removeprefix(_SCORE)] = _parsed(cell, name)
        elif name.startswith(_COST):
            row["costs"][name.removeprefix(_COST)] = _parsed(cell, name)
        else:
            row[name] = cell
    return row


def _parsed(cell: str, name: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise Fault(f"{name} is {shorten(cell)}; it must be a number") from None


def _row(value: Mapping[str, Any], layout: Layout) -> RecordedRow:
    scores = _numbers(value.get("scores"), "scores", most=1)
    costs = _numbers(value.get("costs", {}), "costs", most=sys.float_info.max)
    costs |= {name: price for name, price in layout.prices.items() if name in scores}
    without = [name for name in scores if name not in costs]
    if without:
        raise Fault(f"has no cost of {without[0]!r}; write it into costs, or give --price")
    return RecordedRow(
        prompt=string(value.get("prompt"), "prompt"),
        scores=scores,
        costs={name: costs[name] for name in scores},
        group=_optional(value, layout.group_key),
        cluster=_optional(value, "cluster"),
    )


def _numbers(value: Any, name: str, most: float) -> dict[str, float]:
    if not isinstance(value, dict) or (name == "scores" and not value):
        raise Fault(f"{name} is {shorten(value)}; it must name each model with a number")
    for model, number in value.items():
        # graders write true and false for 1 and 0
        if not isinstance(number, int | float) or not 0 <= number <= most:
            allowed = "from 0 to 1" if most == 1 else "of at least 0"
            raise Fault(f"{name}.{model} is {shorten(number)}; it must be a number {allowed}")
    return {model: float(number) for model, number in value.items()}


def _optional(value: Mapping[str, Any], key: str) -> str | None:
    found = value.get(key)
    return None if found is None else string(found, key)
