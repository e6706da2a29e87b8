"""Which of several arms no other beats in quality and cost at once?"""

from collections.abc import Mapping


def front(points: Mapping[str, tuple[float, float]]) -> tuple[str, ...]:
    """The arms on the Pareto front, the cheapest first.

    Args:
        points: cost and quality by arm.
    """
    order = sorted(points, key=lambda name: (points[name][0], -points[name][1]))
    best: list[str] = []
    for name in order:
        if not best or points[name][1] > points[best[-1]][1]:
            best.append(name)
    return tuple(best)
