"""The matrix: every model's quality and cost on every set, and which model wins which niche.

Pure: graded rows in, figures out. A niche is won if the interval of (specialist - generalist) is
above zero, lost if it is below, and tied if it contains zero. Intervals take the rows of a group
together. The generalist has the prompt that did best on these same rows, which favours it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lab.statistics.bootstrap import draws, interval
from lab.statistics.interval import Interval
from lab.statistics.quality import qualities, quality_difference, quality_interval

Outcome = Literal["wins", "ties", "loses"]


@dataclass(frozen=True)
class Column:
    """A set and a measure.

    Attributes:
        name: its title.
        rows_of: the set whose rows it grades; columns of one set share bootstrap draws.
        niche: its niche; None for the general set.
        home: whether it has the niche's own test rows under its first measure.
    """

    name: str
    rows_of: str
    niche: str | None
    home: bool = False


@dataclass(frozen=True)
class GradedRows:
    """One model's graded rows of one column.

    Attributes:
        counts: hits, claimed, wanted: (rows, 3).
        flops: operations of each request: (rows,).
        seconds: engine seconds of each request: (rows,).
    """

    counts: NDArray[np.int64]
    flops: NDArray[np.float64]
    seconds: NDArray[np.float64]

    def __post_init__(self) -> None:
        rows = len(self.counts)
        if not rows or self.counts.shape != (rows, 3):
            raise ValueError(f"counts are (rows, 3) of one row at least, got {self.counts.shape}")
        if self.flops.shape != (rows,) or self.seconds.shape != (rows,):
            raise ValueError(
                f"{rows} rows, but flops {self.flops.shape} and seconds {self.seconds.shape}"
            )


@dataclass(frozen=True)
class MatrixSpec:
    """The models and columns of the matrix.

    Attributes:
        models: the matrix's rows, in order.
        columns: in order.
        specialists: the specialist of each niche that has one.
        baselines: the generalist, once per style of prompt, zero-shot first.
    """

    models: tuple[str, ...]
    columns: tuple[Column, ...]
    specialists: Mapping[str, str] = field(default_factory=dict)
    baselines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One model on one column: quality, and the mean request's operations and engine seconds."""

    model: str
    column: str
    rows: int
    quality: Interval
    flops: float
    seconds: float


@dataclass(frozen=True)
class Cost:
    """A specialist's cost as a share of `baseline`'s, on the same rows."""

    baseline: str
    flops: float
    seconds: float

    @property
    def cheaper(self) -> bool:
        """Whether it needs fewer operations and less engine time."""
        return self.flops < 1 and self.seconds < 1


@dataclass(frozen=True)
class Verdict:
    """A specialist in its niche against the generalist.

    Attributes:
        column: the set and measure.
        specialist: the model of the column's niche.
        baseline: the generalist with the prompt that did best on these rows.
        difference: quality of the specialist minus the baseline's, paired.
        outcome: the result by the difference's interval.
        against_best: cost relative to that baseline.
        against_zero_shot: cost relative to the generalist prompted without examples.
    """

    column: str
    specialist: str
    baseline: str
    difference: Interval
    outcome: Outcome
    against_best: Cost
    against_zero_shot: Cost

    @property
    def keeps_its_place(self) -> bool:
        """Whether it beats the generalist, and is cheaper than the generalist with either
        prompt."""
        cheaper = self.against_best.cheaper and self.against_zero_shot.cheaper
        return self.outcome == "wins" and cheaper


@dataclass(frozen=True)
class Matrix:
    """The figures of the matrix.

    `dominance` is (mean of the diagonal - mean off it) / mean of the diagonal, over specialists
    and their niches: 1 if each is right only in its niche, 0 if all are equally good everywhere.
    None with fewer than two specialists, or if none is ever right in its niche.
    """

    spec: MatrixSpec
    cells: tuple[Cell, ...]
    verdicts: tuple[Verdict, ...]
    dominance: Interval | None

    def cell(self, model: str, column: str) -> Cell | None:
        """A cell; None if the model was not evaluated."""
        return next(
            (cell for cell in self.cells if (cell.model, cell.column) == (model, column)), None
        )


_Drawn = Mapping[tuple[str, str], NDArray[np.float64]]
_Graded = Mapping[tuple[str, str], GradedRows]
_Groups = Mapping[str, NDArray[np.int64]]


def matrix(graded: _Graded, spec: MatrixSpec, groups: _Groups) -> Matrix:
    """The figures.

    Args:
        graded: by model and column name; a model may lack a column.
        spec: the models and columns.
        groups: by set, the group of each row, (rows,), numbered from 0.

    Raises:
        ValueError: two models have different numbers of rows in the same column.
    """
    drawn: dict[tuple[str, str], NDArray[np.float64]] = {}
    cells: list[Cell] = []
    for column in spec.columns:
        found = {m: graded[m, column.name] for m in spec.models if (m, column.name) in graded}
        sizes = {len(of.counts) for of in found.values()}
        if len(sizes) > 1:
            raise ValueError(f"column {column.name!r}: models with {sorted(sizes)} rows")
        own = groups[column.rows_of]
        for rows in sizes:
            taken = draws(rows, column.rows_of, own)
            for model, of in found.items():
                drawn[model, column.name] = qualities(of.counts, taken)
                cells.append(_cell(model, column, of, own))
    verdicts = tuple(_verdicts(graded, drawn, spec, groups))
    return Matrix(spec, tuple(cells), verdicts, _dominance(drawn, spec))


def _cell(model: str, column: Column, graded: GradedRows, groups: NDArray[np.int64]) -> Cell:
    return Cell(
        *(model, column.name, len(graded.counts)),
        quality_interval(graded.counts, groups, column.rows_of),
        float(graded.flops.mean()),
        float(graded.seconds.mean()),
    )


def _verdicts(
    graded: _Graded, drawn: _Drawn, spec: MatrixSpec, groups: _Groups
) -> Iterator[Verdict]:
    for column in spec.columns:
        specialist = spec.specialists.get(column.niche or "")
        baselines = [baseline for baseline in spec.baselines if (baseline, column.name) in drawn]
        if specialist is None or (specialist, column.name) not in drawn or not baselines:
            continue
        best = max(baselines, key=lambda baseline: drawn[baseline, column.name][0])
        own, other = graded[specialist, column.name], graded[best, column.name]
        difference = quality_difference(
            own.counts, other.counts, groups[column.rows_of], column.rows_of
        )
        costs = [
            _cost(baseline, own, graded[baseline, column.name]) for baseline in (best, baselines[0])
        ]
        yield Verdict(column.name, specialist, best, difference, _outcome(difference), *costs)


def _outcome(difference: Interval) -> Outcome:
    if difference.low > 0:
        return "wins"
    return "loses" if difference.high < 0 else "ties"


def _cost(baseline: str, own: GradedRows, other: GradedRows) -> Cost:
    return Cost(
        baseline,
        float(own.flops.sum() / other.flops.sum()),
        float(own.seconds.sum() / other.seconds.sum()),
    )


def _dominance(drawn: _Drawn, spec: MatrixSpec) -> Interval | None:
    homes = [of for of in spec.columns if of.home and of.niche in spec.specialists]
    specialists = [(spec.specialists[home.niche or ""], home.name) for home in homes]
    if len(specialists) < 2:
        return None
    diagonal = np.mean([drawn[pair] for pair in specialists], axis=0)
    off = np.mean(
        [
            drawn[model, column]
            for model, own in specialists
            for _, column in specialists
            if column != own
        ],
        axis=0,
    )
    if not diagonal[0]:
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        index = np.where(diagonal > 0, (diagonal - off) / diagonal, np.nan)
    return interval(index)
