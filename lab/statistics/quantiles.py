"""Latencies: p50, p95 and p99 of an arm, and their differences between two, with intervals.

A quantile is the smallest value that at least this share of the values does not exceed, so it is
always a measured latency. Failed requests have no latency and are left out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.statistics.bootstrap import interval
from lab.statistics.interval import Interval

LEVELS = (50, 95, 99)
"""In percent."""


@dataclass(frozen=True)
class Quantiles:
    """Seconds, each with its 95 % interval."""

    p50: Interval
    p95: Interval
    p99: Interval


def quantiles(values: NDArray[np.float64], taken: NDArray[np.int64]) -> Quantiles | None:
    """The quantiles of an arm; None where no value is known.

    Args:
        values: seconds, (rows,); nan where there is none.
        taken: how often each draw takes each row, (draws, rows).
    """
    if np.isnan(values).all():
        return None
    return Quantiles(*(interval(_drawn(values, taken, level)) for level in LEVELS))


def quantile_differences(
    first: NDArray[np.float64], second: NDArray[np.float64], taken: NDArray[np.int64]
) -> Quantiles | None:
    """The first arm's quantiles minus the second's, drawn on the same prompts; None if either has
    no value. The arguments are those of `quantiles`."""
    if np.isnan(first).all() or np.isnan(second).all():
        return None
    return Quantiles(
        *(interval(_drawn(first, taken, at) - _drawn(second, taken, at)) for at in LEVELS)
    )


def _drawn(
    values: NDArray[np.float64], taken: NDArray[np.int64], level: int
) -> NDArray[np.float64]:
    """The quantile in each draw, (draws,); nan in draws without any known value."""
    order = np.argsort(values)[: int((~np.isnan(values)).sum())]  # nan sorts last
    upto = taken[:, order].cumsum(axis=1)
    total = upto[:, -1]
    # Integers: rounding of a float share could pick the wrong rank.
    reached = upto * 100 >= total[:, np.newaxis] * level
    return np.where(total > 0, values[order[reached.argmax(axis=1)]], np.nan)
