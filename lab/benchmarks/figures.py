"""A benchmark's result: figures with their intervals, each beside the bar it is held to."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from lab.routing.tables import Table
from lab.routing.values import Interval

_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must reach: at least `limit`, or at most."""

    limit: float
    at_most: bool = False

    def met(self, value: float) -> bool:
        """Whether `value` reaches it; a value that is not a number never does."""
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        name: what it is, with its unit unless it is a share or has none.
        value: the number.
        interval: where it lies with 95% confidence; None where no chance is at play or none is
            given.
        bar: None for a reference that stands beside the others.
    """

    name: str
    value: float
    interval: Interval | None = None
    bar: Bar | None = None

    @property
    def met(self) -> bool | None:
        """Whether it reaches its bar; None without one."""
        return None if self.bar is None else self.bar.met(self.value)


@dataclass(frozen=True, slots=True)
class Result:
    """What a benchmark found.

    Attributes:
        name: of the benchmark.
        figures: in the order in which they are shown.
        notes: sentences about rows, settings and choices.
        tables: details that are no figures.
    """

    name: str
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()

    @property
    def parts(self) -> tuple[Table, ...]:
        """All tables: the figures first."""
        cells = tuple(
            (
                figure.name,
                _number(figure.value),
                _range(figure.interval),
                "" if figure.bar is None else str(figure.bar),
                {None: "", True: "met", False: "missed"}[figure.met],
            )
            for figure in self.figures
        )
        table = Table(("figure", "value", "95% interval", "bar", "met or missed"), cells)
        return (*((table,) if cells else ()), *self.tables)

    def markdown(self) -> str:
        """The result as a section of a Markdown file."""
        return self._section([table.markdown() for table in self.parts])

    def text(self) -> str:
        """The result for a terminal."""
        return self._section([table.text() for table in self.parts])

    def _section(self, tables: Sequence[str]) -> str:
        notes = "\n".join(f"- {note}" for note in self.notes)
        return "\n\n".join(part for part in (f"## {self.name}", *tables, notes) if part) + "\n"


def share(name: str, hits: NDArray[np.bool_], bar: Bar | None = None) -> Figure:
    """The share of hits among n rows, with Wilson's interval; shape (n,), n above 0."""
    found = binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95, "wilson")
    return Figure(name, float(hits.mean()), Interval(float(found.low), float(found.high)), bar)


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float],
    groups: Sequence[str] | int,
    resamples: int = _RESAMPLES,
    seed: int = 0,
) -> Interval:
    """The middle 95% of a statistic over resampled rows.

    Args:
        statistic: of the rows with these indices, some of which come several times.
        groups: the number of rows; or the group of each, and then whole groups are drawn.
        resamples: how many.
        seed: of the drawing.
    """
    drawn = [statistic(rows) for rows in resampled(groups, resamples, seed)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(float(low), float(high))


def resampled(
    groups: Sequence[str] | int, resamples: int = _RESAMPLES, seed: int = 0
) -> Iterator[NDArray[np.int64]]:
    """Indices of rows drawn with replacement, once per resample; see `bootstrap`."""
    rng = np.random.default_rng(seed)
    if isinstance(groups, int):
        yield from (rng.integers(groups, size=groups) for _ in range(resamples))
        return
    _, member = np.unique(np.array(groups), return_inverse=True)
    order = np.argsort(member, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(member))[:-1])
    for _ in range(resamples):
        chosen = rng.integers(len(parts), size=len(parts))
        yield np.concatenate([parts[part] for part in chosen])


def macro_f1(truth: NDArray[np.int64], chosen: NDArray[np.int64]) -> float:
    """Mean F1 over the classes that occur in the truth; shapes (n,)."""
    size = int(max(truth.max(), chosen.max())) + 1
    right = np.bincount(truth[truth == chosen], minlength=size)
    there, said = np.bincount(truth, minlength=size), np.bincount(chosen, minlength=size)
    present = there > 0
    return float((2 * right[present] / (there + said)[present]).mean())


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1 else f"{value:,.2f}"


def _range(interval: Interval | None) -> str:
    return "" if interval is None else f"{_number(interval.low)} to {_number(interval.high)}"
