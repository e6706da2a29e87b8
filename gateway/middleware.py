"""What surrounds every request, outermost first: its record, its failures. Plain ASGI classes.

`Recording` gives a request its id, headers, metrics and log line; `Faults` turns what was raised
into a response. The log line holds nothing of a prompt or an answer; of the client's words it has
the request id, `user` and `metadata`, which are there to be found again.
"""

import asyncio
import logging
import re
import uuid
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.log import about
from gateway.decision_log import DecisionLog
from gateway.errors import ClientGone, fault_of
from gateway.log import ACCESS_LOGGER
from gateway.metrics import Metrics
from gateway.record import Record, note_failure, record_of
from gateway.responses import send_fault
from gateway.tracing.spans import Tracing

ANSWER_PATHS = frozenset({"/v1/chat/completions", "/v1/completions"})
"""The paths whose requests are counted as requests for an answer."""

_access = logging.getLogger(ACCESS_LOGGER)
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_DROPPED_HEADERS = frozenset({b"x-request-disconnect-disabled"})
"""Ray Serve's: it would keep models working for clients that have left."""


class Recording:
    """Opens a `Record` for each request and closes it into the metrics and the logs."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        clock: Callable[[], float],
        decisions: DecisionLog | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._app, self._metrics, self._clock = app, metrics, clock
        self._decisions, self._tracing = decisions, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = Record(_request_id(scope), self._clock())
        record.store(scope)
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in _DROPPED_HEADERS]

        async def recording_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.begun, record.status = True, message["status"]
                message = {**message, "headers": [*message["headers"], *record.headers()]}
            elif not message.get("more_body", False):
                record.ended = True
            await send(message)

        answering = scope["path"] in ANSWER_PATHS and scope["method"] == "POST"
        if not answering:
            await self._finished(scope, record, receive, recording_send)
            return
        if self._tracing is not None:
            record.trace = self._tracing.begin(scope, record.request_id)
        told = about(request_id=record.request_id, trace_id=record.trace.trace_id)
        with self._metrics.in_flight.track_inprogress(), told:
            try:
                await self._finished(scope, record, receive, recording_send)
            finally:
                self._count(record)
                record.trace.ended(record.ending(self._clock()))
                if self._decisions is not None:
                    self._decisions.note(record)

    async def _finished(self, scope: Scope, record: Record, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:  # how some servers say that the client has left
            if not record.ended:
                record.failed(fault_of(ClientGone("cancelled"), record.request_id))
            raise
        finally:
            if record.code is not None:
                self._metrics.errors.labels(record.code).inc()
            self._write(scope, record)

    def _count(self, record: Record) -> None:
        status_class = f"{record.status // 100}xx"
        self._metrics.requests.labels(
            record.domain, record.model, record.reason, status_class
        ).inc()
        seconds = self._clock() - record.started
        self._metrics.duration.labels(record.model, status_class).observe(seconds)

    def _write(self, scope: Scope, record: Record) -> None:
        fields = {
            "request_id": record.request_id,
            "trace_id": record.trace.trace_id,
            "method": scope["method"],
            "path": scope["path"][:200],
            "status": record.status,
            "error": record.code,
            "domain": record.domain,
            "model": record.model,
            "reason": record.reason,
            "latency_seconds": round(self._clock() - record.started, 6),
            "prompt_tokens": record.usage.prompt_tokens,
            "completion_tokens": record.usage.completion_tokens,
            "user": record.user,
            "metadata": record.metadata,
        }
        _access.info("request", extra={"fields": fields})


class Faults:
    """Sends an exception as the error it stands for, unless a response has begun."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - the edge: nothing may pass it untranslated
            record = record_of(scope)
            fault = note_failure(record, error)
            if not record.begun and not isinstance(error, ClientGone):
                await send_fault(send, fault)


def _request_id(scope: Scope) -> str:
    given = dict(scope["headers"]).get(b"x-request-id", b"")
    return given.decode("ascii") if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
