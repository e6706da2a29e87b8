"""The two completion endpoints: parse, route, open, then render a whole body or a stream.

Rule: the response starts with the first chunk, so every earlier failure has its own HTTP status. A
later failure in a stream is an event with an `error` key, and no `[DONE]` follows.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from deployments.protocol import Chunk
from gateway.body import decode_object, read_body
from gateway.decider import Decider
from gateway.dependencies import Dependencies
from gateway.dialects.parse import CompletionRequest
from gateway.dialects.render import Head, Renderer, joined, renderer_for
from gateway.dialects.schemas import Niche
from gateway.record import Record, observer_of, record_of, report_failure
from gateway.responses import send_json, while_connected
from gateway.streaming import DONE, Merged, sse, start_streams, within
from gateway.tally import Costs, Tally, costs_of
from router.dispatch import Answer, Dispatcher
from router.types import Decision

STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # otherwise nginx buffers events
]
FINAL_WRITE_SECONDS = 5.0
"""How long after the deadline the final write may take for a client that stopped reading."""


@dataclass(frozen=True)
class Completions:
    """An ASGI endpoint for one dialect.

    Attributes:
        parse: turns a body into a `CompletionRequest`.
        decider: chooses the model.
        dispatcher: asks it.
    """

    dependencies: Dependencies
    decider: Decider
    dispatcher: Dispatcher
    parse: Callable[[dict[str, Any]], CompletionRequest]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        limits = self.dependencies.config.gateway
        body = await read_body(scope, receive, limits.max_body_bytes, limits.body_timeout_seconds)
        request = self.parse(decode_object(body))
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
        self._limit_seconds = self._config.gateway.request_timeout_seconds
        self._until = asyncio.get_running_loop().time() + self._limit_seconds
        self._tally = Tally(request.choices, request.n)
        self._costs: Costs | None = None

    async def run(self) -> None:
        """Sends the answer; raises every error that occurs before the response starts."""
        started = self._clock()
        decision = await self._endpoint.decider.decide(self._request.model, self._request.query)
        self._observer.decided(decision, started, self._clock())
        answers = await self._start(decision)
        self._observer.answered(answers[0], self._clock())
        respond = self._stream if self._request.stream else self._whole
        await respond(Merged(answers, self._count), self._renderer())
        if self._costs is not None and self._record.code is None:
            self._observer.delivered(self._costs)

    async def _start(self, decision: Decision) -> list[Answer]:
        request, model = self._request, decision.candidates[0]
        remaining = max(self._until - asyncio.get_running_loop().time(), 0.0)
        self._observer.dispatched(request, model, self._clock())
        request_id, trace = self._record.request_id, self._record.trace_headers
        prompts = [request.prompt(i, request_id, remaining, trace) for i in range(request.choices)]
        async with within(self._limit_seconds, self._until, model):
            return await start_streams(self._endpoint.dispatcher, decision, prompts)

    def _count(self, index: int, chunk: Chunk) -> None:
        self._tally.add(index, chunk)
        self._observer.chunk(index, chunk, self._clock())

    def _renderer(self) -> Renderer:
        head = Head(
            identity=uuid.uuid4().hex,
            created=int(self._endpoint.dependencies.wall_clock()),
            model=self._record.model,
            logprobs=self._request.sampling.top_logprobs is not None,
            include_usage=self._request.include_usage,
        )
        return renderer_for(self._request.kind, head)

    async def _whole(self, merged: Merged, renderer: Renderer) -> None:
        pieces: list[list[Chunk]] = [[] for _ in range(self._request.choices)]
        async with self._reading(merged):
            async for batch in merged:
                for index, chunk in batch:
                    pieces[index].append(chunk)
            niche = self._last_niche()
        body = renderer.body([joined(chunks) for chunks in pieces], self._tally.usage, niche)
        await send_json(self._send, body)

    async def _stream(self, merged: Merged, renderer: Renderer) -> None:
        tail = DONE
        try:
            async with self._reading(merged):
                await self._send_events(merged, renderer)
        except Exception as error:  # noqa: BLE001 - status already sent: report in an event
            tail = sse(report_failure(self._scope, error).body)
        write_until = asyncio.get_running_loop().time() + FINAL_WRITE_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout_at(max(self._until, write_until)):
                await self._write(tail, more=False)

    async def _send_events(self, merged: Merged, renderer: Renderer) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
        unfinished = self._request.choices
        niche: Niche | None = self._niche()  # with the first event, and again with the last
        async for batch in merged:
            events = bytearray()
            for index, chunk in batch:
                unfinished -= chunk.finish_reason is not None
                if not unfinished and not self._request.include_usage:
                    niche = self._last_niche()
                events += sse(renderer.event(index, chunk, niche))
                niche = None
            await self._write(bytes(events), more=True)
        if self._request.include_usage:
            event = renderer.usage_event(self._tally.usage, self._last_niche())
            await self._write(sse(event), more=True)

    async def _write(self, data: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    @asynccontextmanager
    async def _reading(self, merged: Merged) -> AsyncIterator[None]:
        """Reads until the end or the deadline, then closes the streams and reports the usage."""
        try:
            async with within(self._limit_seconds, self._until, self._record.model), merged:
                yield
        finally:
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

    def _last_niche(self) -> Niche:
        config, record, usage = self._config, self._record, self._tally.usage
        spec = next(spec for spec in config.models if spec.name == record.model)
        costs = self._costs = costs_of(usage, spec, config.generalist)
        return msgspec.structs.replace(
            self._niche(),
            cost=costs.list_price,
            baseline_cost=costs.baseline,
            attributed_cost=costs.attributed,
            currency=config.observability.currency,
            engine_seconds=usage.engine_seconds,
            latency_seconds=self._clock() - record.started,
        )
