"""Several choices as one answer, for engines that answer one choice at a time.

One choice is passed through as it comes. Several are read by a task each, into a queue that all
share, so a slow reader slows the engine instead of filling memory. Leaving early closes all of
them, whatever the way out.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

from deployments.protocol import Usage

QUEUED_PIECES = 64
"""Pieces that may wait for a slow reader before the engine waits too."""

_T = TypeVar("_T")


async def merged(
    streams: Sequence[AsyncGenerator[_T]],
) -> AsyncGenerator[tuple[int, _T]]:
    """The pieces of several streams, each with the index of its stream; raises what one raised."""
    if len(streams) > 1:
        queue: asyncio.Queue[tuple[int, _T] | Exception | None] = asyncio.Queue(QUEUED_PIECES)
        tasks = [asyncio.create_task(_pump(*stream, queue)) for stream in enumerate(streams)]
        async with aclosing(_drained(queue, tasks)) as items:
            async for item in items:
                yield item
        return
    async with aclosing(streams[0]) as pieces:
        async for piece in pieces:
            yield 0, piece


async def _pump(
    index: int,
    stream: AsyncGenerator[_T],
    queue: "asyncio.Queue[tuple[int, _T] | Exception | None]",
) -> None:
    try:
        async with aclosing(stream):
            async for piece in stream:
                await queue.put((index, piece))
        await queue.put(None)
    except Exception as error:  # noqa: BLE001 - raised again where the pieces are read
        await queue.put(error)


async def _drained(
    queue: "asyncio.Queue[tuple[int, _T] | Exception | None]", tasks: Sequence[asyncio.Task[None]]
) -> AsyncGenerator[tuple[int, _T]]:
    try:
        running = len(tasks)
        while running:
            item = await queue.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                running -= 1
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def summed(usages: Sequence[Usage], n: int) -> Usage:
    """The sum over the choices; a prompt counts once, whatever `n` is, and the prefill is the first
    choice's."""
    billed = usages[::n]
    return Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage in billed),
        completion_tokens=sum(usage.completion_tokens for usage in usages),
        cached_tokens=sum(usage.cached_tokens for usage in billed),
        engine_seconds=sum(usage.engine_seconds for usage in usages),
        prefill_seconds=usages[0].prefill_seconds,
    )
