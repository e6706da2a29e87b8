"""Memory and open files of every process of a stack, over time, and whether they grow."""

import asyncio
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import linear_regression, median

import psutil

from loadtests.bench.processes import processes

_BLOCKS = 6
_STUDENT = 2.776
"""Student's t of 95 %, two-sided, with as many degrees of freedom as blocks beside a line."""
_WARM_UP = 1 / 3
"""What fills its caches grows at first."""
_HOUR = 3600.0


@dataclass(frozen=True)
class Sample:
    """A process at a moment.

    Attributes:
        seconds: since the begin of the run.
        process: what it is, and its id.
        memory_bytes: its own, without what it shares with others (unique set size, USS).
        descriptors: open files and connections.
    """

    seconds: float
    process: str
    memory_bytes: int
    descriptors: int


@dataclass(frozen=True)
class Slope:
    """A change per hour, and the half width of its 95 % interval."""

    per_hour: float
    noise: float

    @property
    def grows(self) -> bool:
        """Whether it is more than noise."""
        return self.per_hour > self.noise


def slope(points: Sequence[tuple[float, float]]) -> Slope | None:
    """The slope after the warm-up; None: too few points.

    Neighbours depend on each other, so the line goes through the medians of six blocks.

    Args:
        points: seconds and values, in order.
    """
    first, last = (points[0][0], points[-1][0]) if points else (0.0, 0.0)
    kept = [of for of in points if of[0] >= first + (last - first) * _WARM_UP]
    size = len(kept) // _BLOCKS
    if size == 0:
        return None
    kept = kept[-size * _BLOCKS :]
    blocks = [kept[begin : begin + size] for begin in range(0, len(kept), size)]
    hours = [median(of[0] for of in block) / _HOUR for block in blocks]
    values = [median(of[1] for of in block) for block in blocks]
    line = linear_regression(hours, values)
    left = sum(
        (value - line.intercept - line.slope * hour) ** 2
        for hour, value in zip(hours, values, strict=True)
    )
    middle = sum(hours) / _BLOCKS
    width = math.sqrt(left / (_BLOCKS - 2) / sum((hour - middle) ** 2 for hour in hours))
    return Slope(line.slope, _STUDENT * width)


async def sampled(root: int, every: float, stopping: asyncio.Event) -> list[Sample]:
    """Looks at all descendants of a process until `stopping`."""
    began, found = time.monotonic(), list[Sample]()
    while not stopping.is_set():
        found += await asyncio.to_thread(
            lambda: list(_look(processes(root)[1:], time.monotonic() - began))
        )
        try:
            await asyncio.wait_for(stopping.wait(), every)
        except TimeoutError:
            continue
    return found


def _look(all_of: Iterable[psutil.Process], seconds: float) -> Iterable[Sample]:
    for process in all_of:
        try:
            name = f"{title(process.cmdline(), process.name())} {process.pid}"
            memory, count = process.memory_full_info().uss, process.num_fds()
        except psutil.Error:  # it has just ended
            continue
        yield Sample(seconds, name, int(memory), count)


def title(command: Sequence[str], name: str) -> str:
    """What a process is called in the tables."""
    first = command[0] if command else name
    if first.startswith("ray::"):
        return first.partition(".")[0]
    scripts = [word for word in command[1:] if word.endswith(".py")]
    module = command[command.index("-m") + 1] if "-m" in command[:-1] else ""
    return module or (scripts[0].rpartition("/")[2] if scripts else name)
