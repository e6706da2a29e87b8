"""The two endpoints that answer: parse, decide, open, then render whole or as a stream.

Rule: nothing is sent before the first chunk is there, so every earlier failure keeps its HTTP
status; after it, a failure is an event with an `error` key, and no `[DONE]` follows.
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
from gateway.config import NicheConfig
from gateway.decider import Decider
from gateway.dialects.parse import Ask
from gateway.dialects.render import Head, Renderer, joined, renderer_for
from gateway.dialects.schemas import Niche
from gateway.evidence.listener import Listener
from gateway.evidence.live import Live
from gateway.metrics import Metrics
from gateway.opening import open_answers, within
from gateway.record import Record, note_attempt, note_failure, record_of
from gateway.responses import send_json, while_connected
from gateway.streaming import DONE, Merged, sse
from gateway.tally import Tally, costs_of
from router.dispatch import Answer, Dispatcher, reason_to_leave
from router.types import Decision

STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back
]
FAREWELL_SECONDS = 5.0
"""How long after the deadline a client that reads nothing may hold its slot."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the endpoints work with."""

    config: NicheConfig
    decider: Decider
    dispatcher: Dispatcher
    metrics: Metrics
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    live: Live | None = None


class Completions:
    """An ASGI endpoint for one dialect; `parse` turns its body into an `Ask`."""

    def __init__(self, services: Services, parse: Callable[[dict[str, Any]], Ask]) -> None:
        self._services, self._parse = services, parse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        record = record_of(scope)
        limits = self._services.config.gateway
        body = await read_body(scope, receive, limits.max_body_bytes, limits.body_timeout_seconds)
        ask = self._parse(decode_object(body))
        record.asked, record.query = ask.model, ask.query
        record.user, record.metadata = ask.user, ask.metadata
        exchange = _Exchange(self._services, ask, record, send)
        await while_connected(receive, record, exchange.run)


class _Exchange:
    """One request on its way from an `Ask` to the last byte of its answer."""

    def __init__(self, services: Services, ask: Ask, record: Record, send: Send) -> None:
        self._services, self._ask, self._record, self._send = services, ask, record, send
        self._limits = services.config.gateway
        self._until = asyncio.get_running_loop().time() + self._limits.request_timeout_seconds

    async def run(self) -> None:
        """Answers, or raises what a response has yet to say."""
        clock, began = self._services.clock, self._services.clock()
        decision = await self._services.decider.decide(self._ask.model, self._ask.query)
        self._record.decided(decision)
        self._record.trace.routed(decision, began, clock())
        listener = self._listener(decision)
        answers = await self._open(decision)
        self._begun(answers[0])
        on_gap = self._services.metrics.inter_token.labels(self._record.model).observe
        tally = Tally(self._ask.choices, self._ask.n, self._services.clock, on_gap)
        merged = Merged(answers, listener.hearing(tally.add) if listener else tally.add)
        respond = self._stream if self._ask.stream else self._whole
        await respond(merged, tally, self._renderer())
        if listener and self._record.code is None and self._record.costs is not None:
            listener.ended(self._record.model, self._record.costs.list_price)

    def _listener(self, decision: Decision) -> Listener | None:
        live, request_id = self._services.live, self._record.request_id
        if live is None:
            return None
        prompt = None
        if self._ask.choices == 1:
            prompt = self._ask.prompt(0, request_id, self._limits.request_timeout_seconds)
        return Listener(live, request_id, prompt, decision, self._services.clock)

    async def _open(self, decision: Decision) -> list[Answer]:
        loop, limits, model = asyncio.get_running_loop(), self._limits, decision.candidates[0]
        left = max(self._until - loop.time(), 0.0)
        request_id = self._record.request_id
        trace = self._record.trace.asked(self._ask, model, self._services.clock())
        prompts = [self._ask.prompt(i, request_id, left, trace) for i in range(self._ask.choices)]
        with self._services.metrics.queued.labels(model).track_inprogress():
            async with within(limits.request_timeout_seconds, self._until, model):
                return await open_answers(self._services.dispatcher, decision, prompts)

    def _begun(self, answer: Answer) -> None:
        record, metrics = self._record, self._services.metrics
        record.model, record.reason = answer.model, str(answer.reason)
        now = self._services.clock()
        metrics.first_token.labels(answer.model).observe(now - record.started)
        record.trace.answered(answer.model, answer.attempts, now)
        for attempt in answer.attempts:
            if attempt.error is not None:
                reason = reason_to_leave(attempt.error)
                note_attempt(record, attempt.model, attempt.error)
                metrics.dispatch_fallbacks.labels(attempt.model, reason).inc()

    def _renderer(self) -> Renderer:
        head = Head(
            identity=uuid.uuid4().hex,
            created=int(self._services.wall_clock()),
            model=self._record.model,
            logprobs=self._ask.sampling.top_logprobs is not None,
            include_usage=self._ask.include_usage,
        )
        return renderer_for(self._ask.kind, head)

    async def _whole(self, merged: Merged, tally: Tally, renderer: Renderer) -> None:
        pieces: list[list[Chunk]] = [[] for _ in range(self._ask.choices)]
        async with self._reading(merged, tally):
            async for batch in merged:
                for index, chunk in batch:
                    pieces[index].append(chunk)
            niche = self._last_niche(tally)
        body = renderer.body([joined(chunks) for chunks in pieces], tally.usage, niche)
        await send_json(self._send, body)

    async def _stream(self, merged: Merged, tally: Tally, renderer: Renderer) -> None:
        tail = DONE
        try:
            async with self._reading(merged, tally):
                await self._send_events(merged, tally, renderer)
        except Exception as error:  # noqa: BLE001 - the status is sent: only an event can say it
            tail = sse(note_failure(self._record, error).body)
        farewell = asyncio.get_running_loop().time() + FAREWELL_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout_at(max(self._until, farewell)):
                await self._write(tail, more=False)

    async def _send_events(self, merged: Merged, tally: Tally, renderer: Renderer) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
        unfinished = self._ask.choices
        niche: Niche | None = self._niche()  # with the first event, and again with the last
        async for batch in merged:
            events = bytearray()
            for index, chunk in batch:
                unfinished -= chunk.finish_reason is not None
                if not unfinished and not self._ask.include_usage:
                    niche = self._last_niche(tally)
                events += sse(renderer.event(index, chunk, niche))
                niche = None
            await self._write(bytes(events), more=True)
        if self._ask.include_usage:
            event = renderer.usage_event(tally.usage, self._last_niche(tally))
            await self._write(sse(event), more=True)

    async def _write(self, data: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    @asynccontextmanager
    async def _reading(self, merged: Merged, tally: Tally) -> AsyncIterator[None]:
        """Until the end or the deadline; then the streams are closed and the tokens counted."""
        record, limit = self._record, self._limits.request_timeout_seconds
        try:
            async with within(limit, self._until, record.model), merged:
                yield
        finally:
            record.usage, record.finish_reasons = tally.usage, tally.finish_reasons
            self._services.metrics.used(record.model, record.usage, record.costs)

    def _niche(self) -> Niche:
        record = self._record
        return Niche(
            domain=record.domain,
            model=record.model,
            confidence=record.confidence or 0.0,
            reason=record.reason,
            request_id=record.request_id,
        )

    def _last_niche(self, tally: Tally) -> Niche:
        config, record = self._services.config, self._record
        spec = next(spec for spec in config.models if spec.name == record.model)
        costs = record.costs = costs_of(tally.usage, spec, config.generalist)
        return msgspec.structs.replace(
            self._niche(),
            cost=costs.list_price,
            baseline_cost=costs.baseline,
            attributed_cost=costs.attributed,
            currency=config.observability.currency,
            engine_seconds=tally.usage.engine_seconds,
            latency_seconds=self._services.clock() - record.started,
        )
