"""A request's streams: started, one per choice, and read as one; events as bytes.

All streams are of the model that the first one found.

Rule: whatever is ready goes out in one piece, and nothing waits to be more. Each choice is read by
a task of its own into a short queue, so a slow client slows its engine instead of filling memory;
leaving the `Merged` closes every stream, whatever the way out.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from types import TracebackType
from typing import Self

import msgspec

from deployments.protocol import Chunk, DeadlineExceeded, Prompt, Unavailable
from router.dispatch import Answer, Dispatcher
from router.types import Decision

DONE = b"data: [DONE]\n\n"
QUEUED_CHUNKS = 64
"""Chunks that may wait for a slow client before its engine waits too."""


def sse(event: msgspec.Struct) -> bytes:
    """A server-sent event; JSON has no raw line breaks, so one `data:` line holds it."""
    return b"data: " + msgspec.json.encode(event) + b"\n\n"


@asynccontextmanager
async def within(seconds: float, until: float, model: str) -> AsyncIterator[None]:
    """Limits the duration of a block; cancels it when the time is up.

    Args:
        seconds: the limit as the operator wrote it, for the error.
        until: when it ends, on the event loop's clock.
        model: the model that is waited for, for the error.

    Raises:
        DeadlineExceeded: the time is up.
    """
    limit = asyncio.timeout_at(until)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise DeadlineExceeded(model, seconds) from None


async def start_streams(
    dispatcher: Dispatcher, decision: Decision, prompts: Sequence[Prompt]
) -> list[Answer]:
    """The begun answers of all prompts, in order.

    The first prompt finds the model; the others follow it there, for a response has one `model`.

    Raises:
        BackendError: one could not begin; the others are closed.
    """
    first = await dispatcher.open(decision, prompts[0])
    pinned = replace(decision, candidates=(first.model,))
    tasks = [asyncio.create_task(dispatcher.open(pinned, prompt)) for prompt in prompts[1:]]
    try:
        return [first, *(await asyncio.gather(*tasks))]
    except BaseException:
        for task in tasks:
            task.cancel()
        opened = await asyncio.gather(*tasks, return_exceptions=True)
        await close_answers([first, *(one for one in opened if isinstance(one, Answer))])
        raise


async def close_answers(answers: Sequence[Answer]) -> None:
    """Closes the streams of answers, which frees their slots; closing twice does nothing."""
    # A stream that fails to close must not keep the others open.
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
