"""The middleware around every request, as plain ASGI classes.

`Recording`, the outermost, gives a request its id, headers and observer; `ErrorHandling` turns
exceptions into responses.
"""

import asyncio
import re
import uuid
from collections.abc import Callable, Iterator, Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.log import about
from gateway.errors import ClientGone, ErrorBody
from gateway.observer import RequestObserver
from gateway.record import Record, record_of, report_failure, store
from gateway.request_ids import CLIENT_ID
from gateway.responses import send_json

_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_DROPPED_HEADERS = frozenset({b"x-request-disconnect-disabled"})
"""Ray Serve's disconnect handling would let models keep working for disconnected clients."""

_ALWAYS = ((b"x-content-type-options", b"nosniff"),)
"""Headers of every answer: a browser that opens one takes no text of a model for a page."""


class Recording:
    """Opens a `Record` for each request and reports the request's end to its observer.

    Args:
        app: serves the request.
        observe: builds the observer of a request, including the record.
        clock: monotonic seconds.
        id_headers: further headers with the request's id, by the beginnings of their paths.
    """

    def __init__(
        self,
        app: ASGIApp,
        observe: Callable[[Scope, Record], RequestObserver],
        clock: Callable[[], float],
        id_headers: Mapping[str, str],
    ) -> None:
        self._app, self._observe, self._clock = app, observe, clock
        self._id_headers = id_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = Record(uuid.uuid4().hex, self._clock(), _client_request_id(scope))
        observer = self._observe(scope, record)
        store(scope, record, observer)
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in _DROPPED_HEADERS]

        async def recording_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.response_started, record.status = True, message["status"]
                own = [*_ALWAYS, *record.headers(), *self._ids(scope["path"], record)]
                message = {**message, "headers": [*message["headers"], *own]}
            elif not message.get("more_body", False):
                record.response_complete = True
            await send(message)

        with about(request_id=record.request_id, trace_id=record.trace_id):
            try:
                await self._app(scope, receive, recording_send)
            except asyncio.CancelledError:  # how some servers report a disconnect
                if not record.response_complete:
                    report_failure(scope, ClientGone("cancelled"))
                raise
            finally:
                observer.ended(self._clock())

    def _ids(self, path: str, record: Record) -> Iterator[tuple[bytes, bytes]]:
        for beginning, header in self._id_headers.items():
            if path.startswith(beginning):
                yield header.encode("ascii"), record.request_id.encode("ascii")


ErrorDialect = Callable[[ErrorBody, str], object]
"""An error and the request's id, as the body of a dialect."""


class ErrorHandling:
    """Sends an exception as an error response, unless a response has started.

    Args:
        app: serves the request.
        dialects: how errors are written at the paths that begin so; elsewhere as OpenAI's.
    """

    def __init__(self, app: ASGIApp, dialects: Mapping[str, ErrorDialect]) -> None:
        self._app, self._dialects = app, dialects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - the edge translates every exception
            response = report_failure(scope, error)
            if not record_of(scope).response_started and not isinstance(error, ClientGone):
                body = self._written(scope["path"], response.body, record_of(scope).request_id)
                await send_json(send, body, response.status, response.headers)

    def _written(self, path: str, body: ErrorBody, request_id: str) -> object:
        for beginning, write in self._dialects.items():
            if path.startswith(beginning):
                return write(body, request_id)
        return body


def _client_request_id(scope: Scope) -> str | None:
    header = dict(scope["headers"]).get(CLIENT_ID, b"")
    return header.decode("ascii") if _SANE_ID.fullmatch(header) else None
