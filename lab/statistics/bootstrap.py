"""Intervals by drawing the test rows again, with replacement.

Paired: what is compared on the same rows is drawn on the same rows, so that a hard row is hard for
both; rows that belong together, such as those of one document, are drawn together. The figures are
ratios of sums over the rows, so micro-averaged F1 works like accuracy does.
Intervals are the 2.5 % and 97.5 % points of 2,000 draws. A single share of right answers has
Wilson's interval in their place: where every row is right, or none, no draw differs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

RESAMPLES = 2000

_BOUNDS = (2.5, 97.5)


@dataclass(frozen=True)
class Interval:
    """A figure, and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def draws(rows: int, name: str, groups: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """How often each draw takes each row of a set: (1 + RESAMPLES, rows).

    The first takes every row once. The same set, by its name, has the same draws every time.

    Args:
        rows: how many there are.
        name: of the set.
        groups: the group of each row, (rows,), numbered from 0: a draw takes all of a group's rows
            or none, and as many groups as there are. None: each row for itself.
    """
    units = rows if groups is None else int(groups.max()) + 1
    rng = np.random.default_rng([rows, *name.encode()])
    taken = rng.multinomial(units, np.full(units, 1 / units), size=RESAMPLES)
    if groups is not None:
        taken = taken[:, groups]
    return np.vstack([np.ones((1, rows), dtype=np.int64), taken])


def qualities(counts: NDArray[np.int64], taken: NDArray[np.int64]) -> NDArray[np.float64]:
    """The quality in each draw, (draws,): F1 of the items, which is accuracy for right or wrong.

    Args:
        counts: hits, claimed and wanted of each row, (rows, 3).
        taken: see `draws`.
    """
    sums = taken @ counts
    items = sums[:, 1] + sums[:, 2]
    # As `Counts.quality`: nothing wanted and nothing claimed is right.
    return np.where(items > 0, 2 * sums[:, 0] / np.maximum(items, 1), 1.0)


def interval(drawn: NDArray[np.float64]) -> Interval:
    """A figure's interval from its values in each draw, (draws,); the first is the figure itself.

    Draws in which the figure is not defined (nan) are left out.
    """
    low, high = np.nanpercentile(drawn[1:], _BOUNDS)
    return Interval(float(drawn[0]), float(low), float(high))


def quality_interval(counts: NDArray[np.int64], drawn: NDArray[np.float64]) -> Interval:
    """A single quality with its interval: Wilson's for right or wrong answers, else by draws.

    Args:
        counts: hits, claimed and wanted of each row, (rows, 3).
        drawn: the quality in each draw, (draws,), as `qualities` gives it.
    """
    if not (counts[:, 1:] == 1).all():
        return interval(drawn)
    right, rows = int(counts[:, 0].sum()), len(counts)
    bounds = binomtest(right, rows).proportion_ci(method="wilson")
    return Interval(right / rows, float(bounds.low), float(bounds.high))
