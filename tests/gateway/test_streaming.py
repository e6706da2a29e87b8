"""`gateway.streaming`: several streams as one."""

import asyncio

import pytest

from deployments.protocol import Chunk, Prompt, Unavailable
from gateway.streaming import QUEUED_CHUNKS, Merged
from router.dispatch import Dispatcher
from router.health import Health
from router.types import Decision, Reason
from tests.fakes import FakeBackend, FakeClock


async def opened(backend, count=1):
    health = Health([backend.name])
    dispatcher = Dispatcher({backend.name: backend}, health, FakeClock())
    decision = Decision("general", (backend.name,), Reason.REQUESTED, 1.0)
    return [await dispatcher.open(decision, Prompt("id", text="x")) for _ in range(count)]


async def read(answers, texts):
    async with Merged(answers, ignore) as merged:
        async for batch in merged:
            texts += [chunk.text for _, chunk in batch]


def ignore(index: int, chunk: Chunk) -> None:
    pass


async def test_chunks_keep_their_order_and_choice():
    """Each choice's pieces arrive in order under its index."""
    texts = ["", ""]
    async with Merged(await opened(FakeBackend("big"), 2), ignore) as merged:
        async for batch in merged:
            for index, chunk in batch:
                texts[index] += chunk.text

    assert texts == ["Hello, world"] * 2


async def test_what_is_ready_comes_in_one_batch():
    """Pieces that are there together come together."""
    async with Merged(await opened(FakeBackend("big")), ignore) as merged:
        await asyncio.sleep(0.01)
        sizes = [len(batch) async for batch in merged]

    assert sizes == [3]


async def test_nothing_waits_for_more():
    """A piece is handed on while the next is not there."""
    backend = FakeBackend("big", gate=asyncio.Event())
    async with Merged(await opened(backend), ignore) as merged:
        batch = await anext(aiter(merged))

    assert [chunk.text for _, chunk in batch] == ["Hello"]


async def test_leaving_closes_every_stream():
    """All streams are closed when the reader leaves, also those that were never read."""
    backend = FakeBackend("big", gate=asyncio.Event())
    async with Merged(await opened(backend, 3), ignore):
        pass

    assert (backend.open_streams, backend.closed_early) == (0, 3)


async def test_a_failure_comes_after_what_was_said():
    """A stream's error is raised after the pieces before it."""
    backend = FakeBackend("big", failure=Unavailable("big", "died"), fails_after=2)
    seen: list[str] = []

    with pytest.raises(Unavailable):
        await read(await opened(backend), seen)

    assert seen == ["Hello", ", "]


async def test_a_stream_without_an_end_is_a_failure():
    """A stream that stops without a finish reason does not look whole."""
    answers = await opened(FakeBackend("big", cut=True))

    with pytest.raises(Unavailable):
        await read(answers, [])


async def test_a_slow_reader_slows_the_model():
    """No more pieces are read ahead than the queue holds."""
    backend, seen = FakeBackend("big", pieces=["x"] * 1000), []
    async with Merged(await opened(backend), lambda index, chunk: seen.append(index)):
        await asyncio.sleep(0.01)

    assert len(seen) == QUEUED_CHUNKS + 1
