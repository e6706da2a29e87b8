"""Bootstrap intervals: test rows are resampled with replacement.

Draws are paired: models compared on the same rows share the draws, so a hard row is hard for both.
Rows that belong together, such as those of one document, are drawn together.
Intervals are the 2.5 % and 97.5 % points of 2,000 draws.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from lab.statistics.interval import Interval

RESAMPLES = 2000

_BOUNDS = (2.5, 97.5)


def resampled(
    rows: int, name: str, groups: NDArray[np.int64] | None = None
) -> Iterator[NDArray[np.int64]]:
    """Yields how often each draw takes each row of a set, (rows,): 1 + RESAMPLES draws.

    The first takes every row once. The set's name seeds the draws.

    Args:
        rows: the number of rows.
        name: the set's name.
        groups: the group of each row, (rows,), numbered from 0: draws resample whole groups, as
            many as there are. None: each row is its own group.
    """
    units = rows if groups is None else int(groups.max()) + 1
    rng = np.random.default_rng([rows, *name.encode()])
    even = np.full(units, 1 / units)
    yield np.ones(rows, dtype=np.int64)
    for _ in range(RESAMPLES):
        taken = rng.multinomial(units, even)
        yield taken if groups is None else taken[groups]


def draws(rows: int, name: str, groups: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """All draws of `resampled` at once: (1 + RESAMPLES, rows)."""
    return np.array(list(resampled(rows, name, groups)))


def interval(drawn: NDArray[np.float64]) -> Interval:
    """A figure's interval from its values in each draw, (draws,); the first is the figure itself.

    Draws in which the figure is not defined (nan) are left out.
    """
    known = drawn[1:][~np.isnan(drawn[1:])]
    if not len(known):
        return Interval(float(drawn[0]), float("nan"), float("nan"))
    # Interpolation is undefined next to an infinite value.
    if np.isinf(known).any():
        low, high = np.percentile(known, _BOUNDS, method="closest_observation")
    else:
        low, high = np.percentile(known, _BOUNDS)
    return Interval(float(drawn[0]), float(low), float(high))


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float], groups: Sequence[str] | int, name: str = ""
) -> Interval:
    """A statistic of rows with its interval.

    Args:
        statistic: computes it from row indices, which may repeat.
        groups: the number of rows; or the group of each row, to resample whole groups.
        name: the set's name; see `resampled`.
    """
    numbers = group_numbers([""] * groups if isinstance(groups, int) else groups)
    rows, taken = np.arange(len(numbers)), resampled(len(numbers), name, numbers)
    return interval(np.array([statistic(np.repeat(rows, times)) for times in taken]))


def group_numbers(names: Sequence[str]) -> NDArray[np.int64]:
    """Numbers groups from 0, (rows,); each row with an empty name is its own group."""
    numbers: dict[object, int] = {}
    keys = [name or place for place, name in enumerate(names)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
