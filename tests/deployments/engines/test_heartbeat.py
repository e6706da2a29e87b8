"""Whether another process still answers."""

import asyncio

from deployments.engines._heartbeat import Heartbeat


async def test_an_answer_ends_the_waiting() -> None:
    """And the next look asks anew."""
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1

    heartbeat = Heartbeat(ask)
    for _ in range(3):
        assert heartbeat.waiting_seconds() == 0
        await asyncio.sleep(0)

    assert asked == 3


async def test_an_open_question_waits_longer_at_each_look() -> None:
    """It is not asked again, so that questions do not pile up."""
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()

    heartbeat = Heartbeat(ask)
    looks = []
    for _ in range(3):
        looks.append(heartbeat.waiting_seconds())
        await asyncio.sleep(0.002)
    heartbeat.stop()

    assert looks == sorted(looks)
    assert looks[-1] > looks[0] == 0
    assert asked == 1


async def test_a_refusal_is_an_answer() -> None:
    """Who refuses is alive."""

    async def ask() -> None:
        raise RuntimeError("not now")

    heartbeat = Heartbeat(ask)
    heartbeat.waiting_seconds()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert heartbeat.waiting_seconds() == 0
