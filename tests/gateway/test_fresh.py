"""`gateway.fresh`: computed once for all who ask."""

import asyncio

import pytest

from gateway.fresh import Fresh
from tests.fakes import FakeClock


class Work:
    """Counts its runs, each of which waits for the gate; raises its fault, if it has one."""

    def __init__(self) -> None:
        self.runs = 0
        self.fault: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> int:
        await self.gate.wait()
        self.runs += 1
        if self.fault is not None:
            raise self.fault
        return self.runs


def fresh(work: Work, clock: FakeClock) -> Fresh[int]:
    return Fresh(work, clock, 1.0)


async def test_all_who_ask_meanwhile_get_one_value():
    """It is computed once; who stops waiting takes it from nobody."""
    work, clock = Work(), FakeClock()
    value = fresh(work, clock)
    work.gate.clear()
    waiting = [asyncio.create_task(value.get()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting.pop().cancel()
    work.gate.set()

    assert await asyncio.gather(*waiting) == [1, 1]


async def test_a_value_is_kept_for_a_while():
    """From when it was computed."""
    work, clock = Work(), FakeClock()
    value = fresh(work, clock)
    first = await value.get()
    clock.advance(0.9)
    second = await value.get()
    clock.advance(0.1)

    assert [first, second, await value.get()] == [1, 1, 2]


async def test_an_error_is_not_kept():
    """Who waits gets it; the next computes again."""
    work, clock = Work(), FakeClock()
    value = fresh(work, clock)
    work.fault = ValueError("no")
    with pytest.raises(ValueError, match="no"):
        await value.get()
    work.fault = None

    assert await value.get() == 2
