"""Which of several points does no other beat in quality and cost at once?"""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def pareto_front(points: Iterable[T], place: Callable[[T], tuple[float, float]]) -> list[T]:
    """The points that no other is at least as good as at no more cost, the cheapest first.

    Of points at the same place the first one stays.

    Args:
        points: in any order.
        place: gives the cost and the quality of one.
    """
    front: list[T] = []
    for point in sorted(points, key=lambda of: (place(of)[0], -place(of)[1])):
        if not front or place(point)[1] > place(front[-1])[1]:
            front.append(point)
    return front
