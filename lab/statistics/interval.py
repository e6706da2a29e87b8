"""A figure with its 95 % interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure, and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def share_interval(
    hits: NDArray[np.bool_] | Sequence[bool], method: Literal["wilson", "exact"] = "wilson"
) -> Interval:
    """The share of hits among rows; without rows the interval is [0, 1].

    Args:
        hits: (rows,).
        method: Wilson's interval, or the wider Clopper-Pearson interval, whose coverage is never
            below 95 %.
    """
    rows = len(hits)
    if not rows:
        return Interval(float("nan"), 0.0, 1.0)
    found = int(np.sum(hits))
    bounds = binomtest(found, rows).proportion_ci(0.95, method)
    return Interval(found / rows, float(bounds.low), float(bounds.high))
