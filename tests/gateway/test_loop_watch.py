"""The watch of the event loop: what held it is reported, with where it was."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from gateway.loop_watch import HELD_SECONDS, LoopWatch, Stack, watch_running_loop
from tests.fakes import FakeClock

BEAT = 0.001
PARSE: Stack = ("parse.py:1 parse", "app.py:2 run")
RENDER: Stack = ("render.py:3 render",)
WAIT: Stack = ()


class Watched:
    """A watch whose loop is wherever the test says, and what it reported."""

    def __init__(self) -> None:
        self.clock, self.at = FakeClock(), WAIT
        self.reports: list[tuple[float, int, Stack]] = []
        self.watch = LoopWatch(self.clock, lambda: self.at, lambda *held: self.reports.append(held))
        self.watch.beat()

    def holds(self, *places: Stack) -> None:
        """The loop is in each place for as long as it may be, and is looked at there."""
        for place in places:
            self.clock.now += 0.003
            self.at = place
            self.watch.look()
        self.watch.beat()


def test_a_loop_that_beats_in_time_is_not_reported() -> None:
    """Neither before nor after its beat is due, and nobody looks at it."""
    watched = Watched()
    watched.at = PARSE

    for _ in range(10):
        watched.clock.now += BEAT + HELD_SECONDS / 2
        watched.watch.look()
        watched.watch.beat()

    assert watched.reports == []


def test_a_hold_is_reported_with_the_stack_of_most_samples() -> None:
    """Its seconds count from when the beat was due."""
    watched = Watched()

    watched.holds(PARSE, RENDER, PARSE, WAIT)

    [(seconds, samples, stack)] = watched.reports
    assert (round(seconds, 6), samples, stack) == (0.011, 3, PARSE)


def test_each_hold_has_its_own_samples() -> None:
    """What held the loop before is not blamed again."""
    watched = Watched()

    watched.holds(PARSE, PARSE)
    watched.holds(RENDER, RENDER)

    assert [stack for *_, stack in watched.reports] == [PARSE, RENDER]


def test_a_loop_that_waits_for_a_cpu_is_not_held() -> None:
    """Late, but always seen waiting: nothing of ours keeps it."""
    watched = Watched()

    watched.holds(WAIT, WAIT)

    assert watched.reports == []


def test_a_hold_that_nobody_could_see_has_no_stack() -> None:
    """C code that keeps the GIL keeps the thread from looking, too."""
    watched = Watched()

    watched.clock.now += 1
    watched.watch.beat()

    [(seconds, samples, stack)] = watched.reports
    assert (round(seconds, 3), samples, stack) == (0.999, 0, ())


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_running_loop_is_watched_from_a_thread(new_loop: Callable[[], Any]) -> None:
    """A call that keeps the loop is named, by the file and function that it is in; waiting is
    not."""
    stacks: list[Stack] = []

    async def work() -> None:
        end = watch_running_loop(lambda seconds, samples, stack: stacks.append(stack))
        async with asyncio.timeout(10):
            while not any(" _hold" in line for stack in stacks for line in stack):
                await asyncio.sleep(0.005)
                _hold()
        end()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(work())

    assert not any(stack[0].endswith((" select", " run")) for stack in stacks if stack)


def _hold() -> None:
    threading.Event().wait(0.02)
