"""A benchmark's result: figures with their intervals and targets."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.statistics.interval import Interval, share_interval
from lab.statistics.table import Table


@dataclass(frozen=True, slots=True)
class Bar:
    """A target: at least `limit`, or at most."""

    limit: float
    at_most: bool = False

    def met(self, value: float) -> bool:
        """Whether `value` meets it; NaN never does."""
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        name: its title, with the unit unless it is a share or has none.
        value: the number.
        interval: the 95% confidence interval; None if the figure is deterministic or no interval is
            known.
        bar: its target; None for a reference figure.
    """

    name: str
    value: float
    interval: Interval | None = None
    bar: Bar | None = None

    @property
    def met(self) -> bool | None:
        """Whether it meets its target; None without one."""
        return None if self.bar is None else self.bar.met(self.value)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a benchmark.

    Attributes:
        name: the benchmark's name.
        figures: in display order.
        notes: sentences about rows, settings and choices.
        tables: further details.
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

    def fields(self) -> dict[str, Any]:
        """The result as JSON values; each figure also says whether it meets its target."""
        met = ({**asdict(figure), "met": figure.met} for figure in self.figures)
        return {**asdict(self), "figures": list(met)}

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
    found = share_interval(hits)
    return Figure(name, found.value, found, bar)


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
