"""The Pareto front of quality and cost."""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def pareto_front(points: Iterable[T], place: Callable[[T], tuple[float, float]]) -> list[T]:
    """The points that no other point dominates, the cheapest first.

    Of equal points the first one is kept.

    Args:
        points: in any order.
        place: returns a point's cost and quality.
    """
    front: list[T] = []
    for point in sorted(points, key=lambda candidate: (place(candidate)[0], -place(candidate)[1])):
        if not front or place(point)[1] > place(front[-1])[1]:
            front.append(point)
    return front
