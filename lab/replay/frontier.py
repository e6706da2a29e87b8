"""Quality over cost: the hull of what can be had, and the area below it."""

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_ROUNDING = 1e-12


def hull(costs: Doubles, qualities: Doubles) -> tuple[Doubles, Doubles]:
    """The non-decreasing upper hull of points: who mixes two policies gets what lies between.

    Args:
        costs: of the points, shape (n,), n above 0.
        qualities: shape (n,).

    Returns:
        Costs and qualities of its corners, both rising: from the cheapest point to the best one,
        after which more money buys nothing.
    """
    order = np.lexsort((-qualities, costs))
    corners: list[tuple[float, float]] = []
    for cost, quality in zip(costs[order].tolist(), qualities[order].tolist(), strict=True):
        if corners and quality <= corners[-1][1]:
            continue
        while len(corners) > 1 and _below(corners[-2], corners[-1], (cost, quality)):
            corners.pop()
        corners.append((cost, quality))
    found = np.array(corners)
    return found[:, 0], found[:, 1]


def aiq(costs: Doubles, qualities: Doubles, low: float, high: float) -> float:
    """RouterBench's AIQ: the mean height of the hull between two costs.

    Args:
        costs: of a policy's points, shape (n,).
        qualities: shape (n,).
        low: where the range of costs begins; a point must lie there or below.
        high: where it ends, above `low`.
    """
    x, y = hull(costs, qualities)
    inner = x[(x > low) & (x < high)]
    at = np.concatenate([[low], inner, [high]])
    return float(np.trapezoid(np.interp(at, x, y), at) / (high - low))


def cost_of(quality: float, costs: Doubles, qualities: Doubles) -> float:
    """The least cost at which the hull reaches a quality; infinite where it never does."""
    x, y = hull(costs, qualities)
    # The same mean may differ in its last digit when it is added up in another order.
    return float(np.interp(quality - _ROUNDING, y, x, right=np.inf))


def _below(
    first: tuple[float, float], middle: tuple[float, float], last: tuple[float, float]
) -> bool:
    """Whether the middle one is not above the line between the others."""
    rise = (middle[1] - first[1]) * (last[0] - first[0])
    return rise <= (last[1] - first[1]) * (middle[0] - first[0])
