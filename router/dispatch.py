"""Asks a decision's candidates in turn until one starts to answer.

Rule: fallback happens only before the first chunk, so the client never sees two models' text. Every
error, and a late first chunk, moves on to the next candidate. An invalid prompt does not, since
no other model can serve it, unless it is only too long for this one.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from deployments.protocol import (
    Abandoned,
    Backend,
    BackendError,
    Chunk,
    DeadlineExceeded,
    InvalidPrompt,
    ModelRequest,
    Overloaded,
    PromptTooLong,
    Unavailable,
)
from router.health import Health
from router.types import Decision, Reason

_T = TypeVar("_T")
Ask = Callable[[str], ModelRequest]
"""The request to a model."""

_LOOK_SECONDS = 0.25
_SIGN = Chunk(b"")
"""A sign of life, which is no answer."""
_SIGN_SECONDS = 5.0
"""How long a model may take to say that it lives."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A model that was asked; `error` is None for the one that answers."""

    model: str
    error: BackendError | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, or the beginning of a streamed one.

    Attributes:
        model: the model that answers.
        reason: the decision's, or why the first candidate was passed over.
        first: the whole answer, or the first chunk.
        attempts: every model that was asked, in order; the last one answers.
    """

    model: str
    reason: Reason
    first: Chunk
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class StreamedAnswer(Answer):
    """An answer whose first chunk has arrived.

    Attributes:
        rest: the chunks after it; close it when leaving early.
    """

    rest: "Rest"


class _Report:
    """Reports to `Health`, once, how a request ended; nothing if the client disconnected."""

    def __init__(self, model: str, health: Health, clock: Callable[[], float]) -> None:
        self.model = model
        self.closed = False
        self._health, self._clock = health, clock

    def chunk(self, chunk: Chunk) -> None:
        if chunk.usage is not None:
            self.ended(None)

    def ended(self, error: BackendError | None) -> None:
        # A full queue or a bad request says nothing about whether the model works.
        if not self.closed and not isinstance(error, Overloaded | InvalidPrompt):
            self._health.record(self.model, error is None, self._clock())
        self.closed = True

    def failed(self, error: BackendError) -> BackendError:
        """Reports an error, and returns it to be raised."""
        self.ended(error)
        return error


class Rest(AsyncIterator[Chunk]):
    """The chunks after the first; call `aclose` when leaving early, to stop the generation.

    Iterating raises the model's `BackendError`, `Unavailable` if the stream ends too early, or
    `DeadlineExceeded` if the next chunk is late.
    """

    def __init__(
        self, stream: AsyncGenerator[Chunk], report: _Report, gap_seconds: float | None
    ) -> None:
        self._stream = stream
        self._report = report
        self._gap_seconds = gap_seconds

    async def __anext__(self) -> Chunk:
        try:
            chunk = _SIGN
            while not chunk.data:
                async with asyncio.timeout(self._gap_seconds):
                    chunk = await anext(self._stream)
        except TimeoutError:
            late = DeadlineExceeded(self._report.model, self._gap_seconds or 0.0)
            raise self._report.failed(late) from None
        except StopAsyncIteration:
            if self._report.closed:
                raise
            report, reason = self._report, "it ended in the middle of its answer"
            raise report.failed(Unavailable(report.model, reason)) from None
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
            asked, for requests without `first_token_seconds`; None: no limit.
        down: whether a model is known to be down; a request stops waiting for such a model if
            there is another candidate.
        gap_seconds: the time limit between two chunks of a stream; None: no limit.
    """

    def __init__(
        self,
        backends: Mapping[str, Backend],
        health: Health,
        clock: Callable[[], float],
        first_chunk_seconds: float | None = None,
        down: Callable[[str], bool] = lambda _: False,
        gap_seconds: float | None = None,
    ) -> None:
        self._backends = backends
        self._health = health
        self._clock = clock
        self._first_chunk_seconds = first_chunk_seconds
        self._down = down
        self._gap_seconds = gap_seconds

    async def open(self, decision: Decision, ask: Ask) -> StreamedAnswer:
        """The streamed answer of the first candidate that starts one.

        Raises:
            BackendError: the request is invalid for any model, or the last candidate failed.
        """
        (first, rest), model, reason, attempts = await self._first(decision, ask, self._begin)
        return StreamedAnswer(model, reason, first, attempts, rest)

    async def complete(
        self,
        decision: Decision,
        ask: Ask,
        abandoned: Callable[[str, int], None] = lambda _model, _tokens: None,
    ) -> Answer:
        """The whole answer of the first candidate that gives one.

        Args:
            decision: the candidates.
            ask: the request to one.
            abandoned: is told, where the call is cancelled, the model that was asked then, and how
                many tokens it had generated.

        Raises:
            BackendError: the request is invalid for any model, or the last candidate failed.
        """
        attempt = partial(self._whole, abandoned)
        whole, model, reason, attempts = await self._first(decision, ask, attempt)
        return Answer(model, reason, whole, attempts)

    async def _first(
        self,
        decision: Decision,
        ask: Ask,
        attempt: Callable[[ModelRequest, bool], Awaitable[_T]],
    ) -> tuple[_T, str, Reason, tuple[Attempt, ...]]:
        """What the first candidate gives that does not fail."""
        attempts: list[Attempt] = []
        reason = decision.reason
        for model in decision.candidates:
            last = model == decision.candidates[-1]
            try:
                found = await attempt(ask(model), last)
            except (Overloaded, Unavailable, DeadlineExceeded, PromptTooLong) as error:
                if last:
                    raise _told(error, attempts) from None
                if not attempts:
                    reason = reason_to_leave(error)
                # Its traceback has this frame, and that `attempts`: a cycle that keeps the request.
                attempts.append(Attempt(model, error.with_traceback(None)))
            else:
                return found, model, reason, (*attempts, Attempt(model))
        raise ValueError("the decision has no candidates")

    async def _whole(
        self, abandoned: Callable[[str, int], None], request: ModelRequest, last: bool
    ) -> Chunk:
        """A whole answer; while it is awaited, the model must give signs of life."""
        model = request.model
        report = _Report(model, self._health, self._clock)
        answer = asyncio.ensure_future(self._backends[model].complete(request))
        try:
            await self._alive(request, answer, last)
            found = answer.result()
        except BackendError as error:
            report.ended(error)
            raise
        except asyncio.CancelledError:
            await _ended(answer)
            abandoned(model, _tokens(answer))
            raise
        finally:
            await _ended(answer)
            del answer  # it has the error, whose traceback has this frame: a cycle
        report.ended(None)
        return found

    async def _alive(
        self, request: ModelRequest, answer: "asyncio.Future[Chunk]", last: bool
    ) -> None:
        """Awaits an answer as long as the model gives signs of life, and, unless it is the last
        candidate, is not known to be down."""
        model, limit, waited = request.model, self._first_seconds(request), 0.0
        look = limit if last else _LOOK_SECONDS
        while True:
            await asyncio.wait({answer}, timeout=look)
            if answer.done():
                return
            if not last:
                self._require_up(model)
            waited += look or 0.0
            if limit is not None and waited >= limit:
                await self._require_sign(model, limit)
                waited = 0.0

    async def _require_sign(self, model: str, waited: float) -> None:
        try:
            async with asyncio.timeout(_SIGN_SECONDS):
                await self._backends[model].health(model)
        except TimeoutError:
            raise DeadlineExceeded(model, waited) from None

    def _first_seconds(self, request: ModelRequest) -> float | None:
        return request.first_token_seconds or self._first_chunk_seconds

    async def _begin(self, request: ModelRequest, last: bool) -> tuple[Chunk, Rest]:
        model = request.model
        report = _Report(model, self._health, self._clock)
        stream, limit = self._backends[model].stream(request), self._first_seconds(request)
        begun = False
        try:
            first = _SIGN
            while not first.data:
                # Not wait_for: on Python 3.11 it may swallow a cancellation.
                async with asyncio.timeout(limit):
                    first = await (anext(stream) if last else self._unless_down(model, stream))
            begun = True
        except StopAsyncIteration:
            raise report.failed(Unavailable(model, "it ended without an answer")) from None
        except TimeoutError:
            raise report.failed(DeadlineExceeded(model, limit or 0.0)) from None
        except BackendError as error:
            report.ended(error)
            raise
        finally:
            # Also if the client disconnects before the first chunk.
            if not begun:
                await stream.aclose()
        report.chunk(first)
        return first, Rest(stream, report, self._gap_seconds)

    async def _unless_down(self, model: str, stream: AsyncGenerator[Chunk]) -> Chunk:
        """The first chunk, or `Unavailable` once the model is known to be down."""
        first = asyncio.ensure_future(anext(stream))
        try:
            await self._up(model, first)
            return first.result()
        finally:
            await _ended(first)
            del first  # as in `_whole`

    async def _up(self, model: str, answer: "asyncio.Future[Chunk]") -> None:
        """Awaits a chunk as long as the model is not known to be down."""
        while not answer.done():
            await asyncio.wait({answer}, timeout=_LOOK_SECONDS)
            if not answer.done():
                self._require_up(model)

    def _require_up(self, model: str) -> None:
        if self._down(model):
            raise Unavailable(model, "it went down while a request waited for it")


def _told(last: BackendError, attempts: Sequence[Attempt]) -> BackendError:
    """The last error; of refusals the one after which a request would be taken first. That it is
    too long for the last one says nothing if another could take it later."""
    errors = [of.error for of in attempts if of.error is not None]
    if isinstance(last, PromptTooLong):
        return next((error for error in errors if not isinstance(error, PromptTooLong)), last)
    if not isinstance(last, Overloaded):
        return last
    refusals = [error for error in errors if isinstance(error, Overloaded)]
    return min(last, *refusals, key=lambda error: error.retry_after_seconds) if refusals else last


def _tokens(answer: "asyncio.Future[Chunk]") -> int:
    """Those of an answer that was cancelled, and may have been whole just before."""
    try:
        return 0 if answer.exception() else answer.result().tokens
    except asyncio.CancelledError as cancelled:
        return sum(said.tokens for said in cancelled.args if isinstance(said, Abandoned))


async def _ended(answer: "asyncio.Future[Chunk]") -> None:
    """Cancels what is still awaited, and waits for its end."""
    if not answer.done():
        answer.cancel()
        await asyncio.wait({answer})
    if not answer.cancelled():
        answer.exception()  # mark the exception as retrieved


def reason_to_leave(error: BackendError) -> Reason:
    """Why a model with this error is passed over."""
    if isinstance(error, Overloaded):
        return Reason.OVERLOADED
    return Reason.CONTEXT_LENGTH_EXCEEDED if isinstance(error, PromptTooLong) else Reason.UNHEALTHY
