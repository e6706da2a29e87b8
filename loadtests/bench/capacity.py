"""The largest number of streams at once that do not stall."""

from collections.abc import Callable
from dataclasses import dataclass, field

SMALLEST, LARGEST = 16, 1024
"""Numbers of streams between which is searched; below the smallest only if it does not hold."""
REQUIRED_SHARE = 0.95
"""Share of a target's streams that must not stall."""
UPSTREAM_SHARE = 0.99
"""Share of the bare upstream's own streams: with fewer, the machine or the client is the limit."""

_REFINEMENTS = 2
_TRIES = 2
"""A hiccup of the machine stalls all streams at once, so a number has a second chance."""


@dataclass
class Capacity:
    """What stepping up found.

    Attributes:
        streams: the largest number that holds; 0: none that was tried.
        limited: whether a larger number was tried and did not hold; otherwise the target may hold
            more, and the bare upstream or `LARGEST` is the limit.
        shares: each number that was tried, with its stall-free share.
    """

    streams: int = 0
    limited: bool = False
    shares: list[tuple[int, float]] = field(default_factory=list)


def step_up(
    share_of: Callable[[int], float], required: float = REQUIRED_SHARE, most: int = LARGEST
) -> Capacity:
    """Doubles the number of streams until it does not hold, then halves the difference, twice.

    Args:
        share_of: measures the stall-free share of so many streams.
        required: the share that is required.
        most: more are not tried, such as the bare upstream does not hold.
    """
    found = Capacity()

    def holds(streams: int) -> bool:
        for _ in range(_TRIES):
            share = share_of(streams)
            found.shares.append((streams, share))
            if share >= required:
                found.streams = streams
                return True
        found.limited = True
        return False

    step = min(SMALLEST, most)
    while step > found.streams and holds(step):
        step = min(2 * step, most)
    for _ in range(_REFINEMENTS if found.limited else 0):
        middle = (found.streams + step) // 2
        if middle == found.streams or holds(middle):
            continue
        step = middle
    return found
