"""Asks a decision's candidates in turn until one starts to answer.

Rule: fallback happens only before the first chunk, so the client never sees two models' text. Every
error, and a late first chunk, moves on to the next candidate. An invalid prompt does not, since
no other model can serve it, unless it is only too long for this one.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from deployments.protocol import (
    Backend,
    BackendError,
    Chunk,
    DeadlineExceeded,
    InvalidPrompt,
    Overloaded,
    Prompt,
    PromptTooLong,
    Unavailable,
)
from router.health import Health
from router.types import Decision, Reason

_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Attempt:
    """A model that was asked; `error` is None for the one that answers."""

    model: str
    error: BackendError | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose first chunk has arrived.

    Attributes:
        model: the model that answers.
        reason: the decision's, or why the first candidate was passed over.
        first: the first chunk.
        rest: the chunks after it; close it when leaving early.
        attempts: every model that was asked, in order; the last one answers.
    """

    model: str
    reason: Reason
    first: Chunk
    rest: "Rest"
    attempts: tuple[Attempt, ...]


class _Report:
    """Reports to `Health`, once, how a request ended; nothing if the client disconnected."""

    def __init__(self, model: str, health: Health, clock: Callable[[], float]) -> None:
        self.model = model
        self.closed = False
        self._health, self._clock = health, clock

    def chunk(self, chunk: Chunk) -> None:
        if chunk.finish_reason is not None:
            self.ended(None)

    def ended(self, error: BackendError | None) -> None:
        # A full queue or a bad request says nothing about whether the model works.
        if not self.closed and not isinstance(error, Overloaded | InvalidPrompt):
            self._health.record(self.model, error is None, self._clock())
        self.closed = True


class Rest(AsyncIterator[Chunk]):
    """The chunks after the first; call `aclose` when leaving early, to stop the generation.

    Iterating raises the model's `BackendError`, or `Unavailable` if the stream ends too early.
    """

    def __init__(self, stream: AsyncGenerator[Chunk], report: _Report) -> None:
        self._stream = stream
        self._report = report

    async def __anext__(self) -> Chunk:
        try:
            chunk = await anext(self._stream)
        except StopAsyncIteration:
            if self._report.closed:
                raise
            error = Unavailable(self._report.model, "it ended in the middle of its answer")
            self._report.ended(error)
            raise error from None
        except BackendError as error:
            self._report.ended(error)
            raise
        self._report.chunk(chunk)
        return chunk

    async def aclose(self) -> None:
        """Stops the generation and frees its slot."""
        self._report.closed = True
        await self._stream.aclose()


class Dispatcher:
    """Opens an answer from the first candidate that can give one.

    Args:
        backends: every model that a decision may name.
        health: receives successes and failures.
        clock: seconds, as `health` takes them.
        first_chunk_seconds: the time limit for the first chunk before the next candidate is
            asked; None: no limit.
        down: whether a model is known to be down; a request stops waiting for such a model if
            there is another candidate.
    """

    def __init__(
        self,
        backends: Mapping[str, Backend],
        health: Health,
        clock: Callable[[], float],
        first_chunk_seconds: float | None = None,
        down: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._backends = backends
        self._health = health
        self._clock = clock
        self._first_chunk_seconds = first_chunk_seconds
        self._down = down

    async def open(self, decision: Decision, prompt: Prompt) -> Answer:
        """The answer of the first candidate that starts one.

        Raises:
            BackendError: the prompt is invalid for any model, or the last candidate failed.
        """
        attempts: list[Attempt] = []
        reason = decision.reason
        for model in decision.candidates:
            try:
                first, rest = await self._ask(model, prompt, last=model == decision.candidates[-1])
            except (Overloaded, Unavailable, DeadlineExceeded, PromptTooLong) as error:
                if not attempts:
                    reason = reason_to_leave(error)
                attempts.append(Attempt(model, error))
            else:
                return Answer(model, reason, first, rest, (*attempts, Attempt(model)))
        raise _last_error(attempts)

    async def _ask(self, model: str, prompt: Prompt, *, last: bool) -> tuple[Chunk, Rest]:
        report = _Report(model, self._health, self._clock)
        stream = self._backends[model].stream(prompt)
        begun = False
        try:
            # Not wait_for: on Python 3.11 it may swallow a cancellation.
            async with asyncio.timeout(self._first_chunk_seconds):
                first = await (anext(stream) if last else self._unless_down(model, stream))
            begun = True
        except StopAsyncIteration:
            error: BackendError = Unavailable(model, "it ended without an answer")
            report.ended(error)
            raise error from None
        except TimeoutError:
            error = DeadlineExceeded(model, self._first_chunk_seconds or 0.0)
            report.ended(error)
            raise error from None
        except BackendError as error:
            report.ended(error)
            raise
        finally:
            # Also if the client disconnects before the first chunk.
            if not begun:
                await stream.aclose()
        report.chunk(first)
        return first, Rest(stream, report)

    async def _unless_down(self, model: str, stream: AsyncGenerator[Chunk]) -> Chunk:
        """The first chunk, or `Unavailable` once the model is known to be down."""
        first = asyncio.ensure_future(anext(stream))
        try:
            while not first.done():
                await asyncio.wait({first}, timeout=_LOOK_SECONDS)
                if not first.done() and self._down(model):
                    raise Unavailable(model, "it went down while a request waited for it")
            return first.result()
        finally:
            first.cancel()
            await asyncio.wait({first})
            if not first.cancelled():
                first.exception()  # mark the exception as retrieved


def reason_to_leave(error: BackendError) -> Reason:
    """Why a model with this error is passed over."""
    if isinstance(error, Overloaded):
        return Reason.OVERLOADED
    return Reason.CONTEXT_LENGTH_EXCEEDED if isinstance(error, PromptTooLong) else Reason.UNHEALTHY


def _last_error(attempts: list[Attempt]) -> BackendError:
    if attempts and attempts[-1].error is not None:
        return attempts[-1].error
    raise ValueError("the decision has no candidates")
