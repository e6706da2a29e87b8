"""Quality over cost: the upper hull of points, and the area below it."""

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_ROUNDING = 1e-12


def hull(costs: Doubles, qualities: Doubles) -> tuple[Doubles, Doubles]:
    """The non-decreasing upper hull of points: mixing two policies reaches the points between them.

    Args:
        costs: the points' costs, shape (n,), n above 0.
        qualities: their qualities, shape (n,).

    Returns:
        Costs and qualities of its corners, both rising, from the cheapest point to the best one.
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
        costs: costs of a policy's points, shape (n,).
        qualities: their qualities, shape (n,).
        low: the start of the range of costs; at least one point must not cost more.
        high: the end of the range, above `low`.
    """
    x, y = hull(costs, qualities)
    inner = x[(x > low) & (x < high)]
    at = np.concatenate([[low], inner, [high]])
    return float(np.trapezoid(np.interp(at, x, y), at) / (high - low))


def cost_of(quality: float, costs: Doubles, qualities: Doubles) -> float:
    """The lowest cost at which the hull reaches a quality; infinite if it never does."""
    x, y = hull(costs, qualities)
    # Equal means may differ in the last digit if summed in another order.
    return float(np.interp(quality - _ROUNDING, y, x, right=np.inf))


def _below(
    first: tuple[float, float], middle: tuple[float, float], last: tuple[float, float]
) -> bool:
    """Whether the middle point is on or below the line between the others."""
    rise = (middle[1] - first[1]) * (last[0] - first[0])
    return rise <= (last[1] - first[1]) * (middle[0] - first[0])
