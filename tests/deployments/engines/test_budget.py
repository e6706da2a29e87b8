"""Room in the KV cache, reserved first come, first served."""

import asyncio

import pytest

from deployments.engines._budget import TokenBudget
from deployments.engines._mailbox import Mailbox


async def hold(budget: TokenBudget, tokens: int, log: list[int], release: asyncio.Event) -> None:
    async with budget.reserved(tokens):
        log.append(tokens)
        await release.wait()


async def test_who_does_not_fit_waits_for_those_before() -> None:
    """A request waits while there is no room, and a smaller one behind it does not overtake."""
    budget, log, release = TokenBudget(10), [], asyncio.Event()
    tasks = [asyncio.ensure_future(hold(budget, size, log, release)) for size in (6, 8, 2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert (log, budget.waiting) == ([6], 2)
    release.set()
    await asyncio.gather(*tasks)
    assert (log, budget.waiting) == ([6, 8, 2], 0)


async def test_one_that_leaves_the_queue_lets_the_next_in() -> None:
    """A cancelled request that waited takes no room and blocks nobody."""
    budget, log, release = TokenBudget(10), [], asyncio.Event()
    tasks = [asyncio.ensure_future(hold(budget, size, log, release)) for size in (6, 8, 4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert log == [6, 4]
    release.set()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_that_leaves_as_its_turn_comes_gives_the_room_back() -> None:
    """A cancellation in the same moment as the admission loses no room."""
    budget, log, release = TokenBudget(10), [], asyncio.Event()
    first = asyncio.ensure_future(hold(budget, 10, log, release))
    await asyncio.sleep(0)
    blocked = asyncio.Event()
    second = asyncio.ensure_future(hold(budget, 10, log, blocked))
    await asyncio.sleep(0)
    release.set()
    while budget.waiting:  # noqa: ASYNC110 - to the very turn of the loop that admits the second
        await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second

    await first
    async with asyncio.timeout(1), budget.reserved(10):
        pass


async def test_a_slow_reader_gets_the_newest() -> None:
    """What was put before the newest value is not kept."""
    box: Mailbox[int] = Mailbox()
    for value in range(100):
        box.put(value)

    assert await box.take() == 99
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await box.take()
