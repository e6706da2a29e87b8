"""Several streams of chunks as one, and events as bytes.

Rule: whatever is ready goes out in one piece, and nothing waits to be more. Each choice is read by
a task of its own into a short queue, so a slow client slows its engine instead of filling memory;
leaving the `Merged` closes every stream, whatever the way out.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Self

import msgspec

from deployments.protocol import Chunk, Unavailable
from router.dispatch import Answer

DONE = b"data: [DONE]\n\n"
QUEUED_CHUNKS = 64
"""Chunks that may wait for a slow client before its engine waits too."""


def sse(event: msgspec.Struct) -> bytes:
    """A server-sent event; JSON has no raw line breaks, so one `data:` line holds it."""
    return b"data: " + msgspec.json.encode(event) + b"\n\n"


async def close_answers(answers: Sequence[Answer]) -> None:
    """Closes the streams of answers, which frees their slots; closing twice does nothing."""
    # One that fails while it is closed must not keep the others open.
    await asyncio.gather(*(answer.rest.aclose() for answer in answers), return_exceptions=True)


class Merged:
    """The chunks of all answers in the order of their arrival: `async with Merged(...) as batches`.

    Iterating yields non-empty lists of (choice, chunk). Raises what a stream raised, or
    `Unavailable` when one ended without a finish reason: a piece of an answer must not look whole.
    """

    def __init__(self, answers: Sequence[Answer], on_chunk: Callable[[int, Chunk], object]) -> None:
        self._answers, self._on_chunk = answers, on_chunk
        self._queue: asyncio.Queue[tuple[int, Chunk] | Exception] = asyncio.Queue(QUEUED_CHUNKS)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._pump(index, answer))
            for index, answer in enumerate(self._answers)
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await close_answers(self._answers)

    async def __aiter__(self) -> AsyncIterator[list[tuple[int, Chunk]]]:
        unfinished = len(self._answers)
        while unfinished:
            batch: list[tuple[int, Chunk]] = []
            failure: Exception | None = None
            item: tuple[int, Chunk] | Exception = await self._queue.get()
            while True:
                if isinstance(item, Exception):
                    failure = item
                    break
                batch.append(item)
                unfinished -= item[1].finish_reason is not None
                if self._queue.empty():
                    break
                item = self._queue.get_nowait()
            if batch:
                yield batch
            if failure is not None:
                raise failure

    async def _pump(self, index: int, answer: Answer) -> None:
        try:
            await self._pass(index, answer.first)
            finished = answer.first.finish_reason is not None
            async for chunk in answer.rest:
                await self._pass(index, chunk)
                finished = finished or chunk.finish_reason is not None
            if not finished:
                await self._queue.put(Unavailable(answer.model, "its stream ended early"))
        except Exception as error:  # noqa: BLE001 - raised again where the batches are read
            await self._queue.put(error)

    async def _pass(self, index: int, chunk: Chunk) -> None:
        self._on_chunk(index, chunk)
        await self._queue.put((index, chunk))
