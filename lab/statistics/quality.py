"""The quality of graded rows, in draws and with its interval.

Quality is F1 of the items, which equals accuracy for right-or-wrong answers. Rows that share a
group are drawn together, and then two pseudo-observations are added, as in `lab.statistics.paired`:
otherwise a few groups of which every row is right, or none, would seem to be certain.
"""

import numpy as np
from numpy.typing import NDArray

from lab.statistics.bootstrap import draws, interval
from lab.statistics.interval import Interval, share_interval
from lab.statistics.paired import smoothed_draws

_PSEUDO_COUNTS = np.array([[1, 1, 1], [0, 1, 1]])
"""Hits, claimed and wanted of the two pseudo-observations: all right, and all wrong."""


def qualities(
    counts: NDArray[np.int64] | NDArray[np.float64], taken: NDArray[np.int64] | NDArray[np.float64]
) -> NDArray[np.float64]:
    """The quality in each draw, (draws,).

    Args:
        counts: hits, claimed and wanted of each row, (rows, 3).
        taken: see `lab.statistics.bootstrap.draws`.
    """
    sums = taken @ counts
    items = sums[:, 1] + sums[:, 2]
    # As in `Counts.quality`: nothing wanted and nothing claimed counts as right.
    return np.where(items > 0, 2 * sums[:, 0] / np.maximum(items, 1), 1.0)


def quality_interval(
    counts: NDArray[np.int64], groups: NDArray[np.int64], name: str = ""
) -> Interval:
    """A quality with its interval: Wilson's for right-or-wrong answers of which each is its own
    group, else bootstrapped.

    Args:
        counts: hits, claimed and wanted of each row, (rows, 3).
        groups: the group of each row, (rows,), numbered from 0.
        name: the set's name, which seeds the draws.
    """
    if _alone(groups) and bool((counts[:, 1:] == 1).all()):
        return share_interval(counts[:, 0] == 1)
    return interval(_drawn(counts, groups, name, _PSEUDO_COUNTS))


def quality_difference(
    first: NDArray[np.int64], second: NDArray[np.int64], groups: NDArray[np.int64], name: str
) -> Interval:
    """The first model's quality minus the second's on the same rows, with its paired interval.

    Args:
        first: the first model's counts, see `quality_interval`.
        second: the second model's.
        groups: the group of each row, (rows,), numbered from 0.
        name: the set's name, which seeds the draws.
    """
    one = _drawn(first, groups, name, _PSEUDO_COUNTS)
    return interval(one - _drawn(second, groups, name, _PSEUDO_COUNTS[::-1]))


def _drawn(
    counts: NDArray[np.int64], groups: NDArray[np.int64], name: str, pseudo: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The quality itself and in each draw, with the pseudo-observations if rows share groups."""
    if _alone(groups):
        return qualities(counts, draws(len(counts), name))
    items = max(1.0, float(counts[:, 1:].mean()))  # of a pseudo-observation, as of a mean row
    smoothed = np.append(counts, items * pseudo, axis=0).astype(np.float64)
    drawn = qualities(smoothed, smoothed_draws(groups, name))
    return np.append(qualities(counts, np.ones((1, len(counts)))), drawn[1:])


def _alone(groups: NDArray[np.int64]) -> bool:
    """Whether each row is its own group."""
    return len(groups) == int(groups.max()) + 1
