"""The endpoints that models answer: parse, route, then forward a whole answer or a stream.

Rule: the response starts with the first chunk, so every earlier failure has its own HTTP status. A
later failure in a stream is an event with an error, and nothing follows. What a model sends goes
through the request's `Rendering`, with `niche` for a whole answer, and for the first and the last
event of a stream.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import msgspec
from starlette.types import Receive, Scope, Send

from deployments.capabilities import takes_hint
from deployments.protocol import Chunk, DeadlineExceeded, ModelRequest
from deployments.spec import ModelSpec
from gateway.admission import client_of
from gateway.body import read_parsed
from gateway.config import AUTO, LAST_WRITE_SECONDS
from gateway.deadline import time_limits, within
from gateway.decider import Decider
from gateway.dependencies import Dependencies
from gateway.dialects.parse import CompletionRequest
from gateway.dialects.schemas import Niche
from gateway.images import Images
from gateway.record import Record, observer_of, record_of, report_failure
from gateway.responses import JSON, send_bytes, while_connected
from gateway.tally import Costs, Tally, characters, costs_of
from router.dispatch import Answer, Dispatcher, Rest, StreamedAnswer

STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # otherwise nginx buffers events
]
_CHUNKS_PER_TURN = 16
"""Chunks that are there at once do not keep other requests, or a disconnect, from being seen."""

_Begun = TypeVar("_Begun", bound=Answer)

_ID_PREFIXES = {
    "chat": "chatcmpl-",
    "completion": "cmpl-",
    "embedding": "embd-",
    "rerank": "rerank-",
}


@dataclass(frozen=True)
class Completions:
    """An ASGI endpoint for one dialect.

    Attributes:
        parse: turns a body into a `CompletionRequest`.
        decider: chooses the model.
        images: fetches what a model that sees is shown by URL.
        dispatcher: asks it.
    """

    dependencies: Dependencies
    decider: Decider
    images: Images
    dispatcher: Dispatcher
    parse: Callable[[dict[str, Any]], CompletionRequest]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        request = await read_parsed(scope, receive, self.dependencies.config.gateway, self.parse)
        await self.answer(request, scope, receive, send)

    async def answer(
        self, request: CompletionRequest, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answers one request whose body was read."""
        observer_of(scope).received(request)
        exchange = _Exchange(self, request, scope, send)
        await while_connected(receive, record_of(scope), exchange.run)


class _Exchange:
    """One request on its way from a `CompletionRequest` to the last byte of its answer."""

    def __init__(
        self, endpoint: Completions, request: CompletionRequest, scope: Scope, send: Send
    ) -> None:
        self._endpoint, self._request, self._scope, self._send = endpoint, request, scope, send
        self._record: Record = record_of(scope)
        self._observer = observer_of(scope)
        self._config = endpoint.dependencies.config
        self._clock = endpoint.dependencies.clock
        edge = self._config.gateway
        self._limits = time_limits(scope, edge.request_timeout_seconds, stream=request.stream)
        self._started = asyncio.get_running_loop().time()
        read_seconds = self._clock() - self._record.started
        # Serve and HAProxy count the time in which the body came; a client does not.
        self._until = self._started + min(
            self._limits.answer, edge.request_timeout_seconds - read_seconds
        )
        self._tally = Tally(partial(_characters, request))
        self._rendering = request.rendering()
        self._ignored: list[str] = []
        self._costs: Costs | None = None
        self._introduced: tuple[int, ...] = ()

    async def run(self) -> None:
        """Sends the answer; raises every error that occurs before the response starts."""
        request, started, endpoint = self._request, self._clock(), self._endpoint
        seconds = self._limits.beginning
        until = min(self._started + seconds, self._until)
        answer: Answer
        async with within(seconds, until, self._awaited):  # the time to route it counts too
            decision = await endpoint.decider.decide(request)
            self._observer.decided(decision, started, self._clock())
            self._introduced = await endpoint.decider.introduced(request, decision)
            if request.images:
                request = self._request = await endpoint.images.inlined(request)
            self._observer.dispatched(request, decision.candidates[0], self._clock())
            if request.stream:
                answer = await endpoint.dispatcher.open(decision, self._asked)
            else:
                asked = endpoint.dispatcher.complete(decision, self._asked, self._abandoned)
                answer = await asked
        answer = self._answered(answer)
        await (self._stream(answer) if isinstance(answer, StreamedAnswer) else self._whole(answer))
        if self._costs is not None and self._record.code is None:
            self._observer.delivered(self._costs)

    def _awaited(self) -> str:
        decision = self._record.decision
        return self._request.model if decision is None else decision.candidates[0]

    def _asked(self, model: str) -> ModelRequest:
        """The request to a model."""
        request, record, spec = self._request, self._record, self._spec(model)
        self._ignored = sorted(hint for hint in request.hints if not takes_hint(spec, hint))
        return ModelRequest(
            request_id=record.request_id,
            model=model,
            operation=request.operation,
            body=request.body(self._ignored, self._introduced),
            stream=request.stream,
            response_id=_ID_PREFIXES[request.operation] + uuid.uuid4().hex,
            created=int(self._endpoint.dependencies.wall_clock()),
            deadline_seconds=max(self._until - asyncio.get_running_loop().time(), 0.0),
            first_token_seconds=spec.first_token_timeout_seconds
            or self._config.gateway.first_token_timeout_seconds,
            max_wait_seconds=self._max_wait_seconds,
            clamp_max_tokens=request.model == AUTO,
            trace=record.trace_headers,
            client=client_of(self._scope),
        )

    @property
    def _max_wait_seconds(self) -> float:
        """How long it may wait; a stream also has to begin in time."""
        if not self._request.may_wait:
            return 0.0
        left = self._started + self._limits.beginning - asyncio.get_running_loop().time()
        return min(self._config.gateway.max_wait_seconds, max(left, 0.0))

    def _spec(self, model: str) -> ModelSpec:
        for spec in self._config.models:
            if spec.name == model:
                return spec
        raise LookupError(model)

    async def _whole(self, answer: Answer) -> None:
        self._count(answer.first)
        body = self._rendering.whole(answer.first, self._last_niche())
        self._generated()
        await send_bytes(self._send, 200, JSON, body)

    def _abandoned(self, model: str, tokens: int) -> None:
        """What was generated costs, also where nobody gets it."""
        if tokens:
            self._record.model = model
            self._tally.add(Chunk(b"", tokens=tokens))
            self._costs = self._costs_so_far()
            self._generated()

    async def _stream(self, answer: StreamedAnswer) -> None:
        try:
            async with self._reading(answer):
                await self._send_events(answer.first, answer.rest)
            tail = self._rendering.end()
        except Exception as error:  # noqa: BLE001 - status already sent: report in an event
            tail = self._rendering.failure(report_failure(self._scope, error).body)
        write_until = asyncio.get_running_loop().time() + LAST_WRITE_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout_at(max(self._until, write_until)):
                await self._write(tail, more=False)

    async def _send_events(self, first: Chunk, rest: Rest) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
        self._count(first)
        niche = self._niche() if first.usage is None else self._last_niche()
        await self._write(self._rendering.event(first, niche), more=True)
        turn = _CHUNKS_PER_TURN
        async for chunk in rest:
            turn -= 1
            if not turn:
                turn = _CHUNKS_PER_TURN
                await asyncio.sleep(0)
            self._count(chunk)
            last = None if chunk.usage is None else self._last_niche()
            if data := self._rendering.event(chunk, last):
                await self._write(data, more=True)

    async def _write(self, data: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    def _answered(self, answer: _Begun) -> _Begun:
        """The answer, whose first chunk names all that had no effect; reports it. The model that
        was asked last is the one that answers."""
        request = self._request
        unheard = request.unheard((*answer.first.not_applied, *self._ignored))
        answer = replace(answer, first=replace(answer.first, not_applied=unheard))
        self._record.rewritten = tuple(request.named(f"messages[{at}]") for at in self._introduced)
        self._observer.answered(answer, self._clock())
        return answer

    def _count(self, chunk: Chunk) -> None:
        self._tally.add(chunk)
        self._observer.chunk(chunk, self._clock())

    @asynccontextmanager
    async def _reading(self, answer: StreamedAnswer) -> AsyncIterator[None]:
        """Reads until the end or the deadline, then closes the stream and reports the usage. What
        was generated until then costs, unless the model, or this gateway, failed."""
        try:
            async with (
                within(self._limits.answer, self._until, lambda: answer.model),
                aclosing(answer.rest),
            ):
                yield
        except (asyncio.CancelledError, DeadlineExceeded):
            self._costs = self._costs or self._costs_so_far()
            raise
        finally:
            self._generated()

    def _generated(self) -> None:
        tally = self._tally
        self._observer.generated(tally.usage, tally.finish_reasons, self._costs)

    def _niche(self) -> Niche:
        record = self._record
        return Niche(
            domain=record.domain,
            model=record.model,
            confidence=record.confidence or 0.0,
            reason=record.reason,
            request_id=record.request_id,
        )

    def _costs_so_far(self) -> Costs:
        spec = self._spec(self._record.model)
        # Nobody else could have given this model's vectors, or its scores.
        baseline = self._config.generalist if spec.kind == "generation" else spec
        return costs_of(self._tally.usage, spec, baseline)

    def _last_niche(self) -> Niche:
        config, record, usage = self._config, self._record, self._tally.usage
        costs = self._costs = self._costs_so_far()
        return msgspec.structs.replace(
            self._niche(),
            cost=costs.list_price,
            baseline_cost=costs.baseline,
            attributed_cost=costs.attributed,
            currency=config.observability.currency,
            engine_seconds=usage.engine_seconds,
            latency_seconds=self._clock() - record.started,
        )


def _characters(request: CompletionRequest) -> int:
    """How long the texts of a request are; of several prompts, the query has the first alone."""
    prompts = request.fields.get("prompt")
    return sum(map(len, prompts)) if isinstance(prompts, list) else characters(request.query)
