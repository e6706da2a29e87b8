"""Admission control: limits on concurrent requests to `/v1/`, and on the bytes of their bodies.
Probes and metrics always pass."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import TooManyRequests

RETRY_AFTER_SECONDS = 1

FREE_BYTES = 64 * 1024
"""Of each body."""


class Slots:
    """Room for `limit` requests; lives on one event loop."""

    def __init__(self, limit: int) -> None:
        self._limit, self._taken = limit, 0

    @property
    def taken(self) -> int:
        """The number of slots in use."""
        return self._taken

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Holds a slot.

        Raises:
            TooManyRequests: all slots are in use.
        """
        if self._taken >= self._limit:
            raise TooManyRequests(
                f"The gateway is at its limit of {self._limit} concurrent requests; try again.",
                headers={"retry-after": str(RETRY_AFTER_SECONDS)},
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


class BodyRoom:
    """Room for the bodies of the requests under way; lives on one event loop. The beginning of a
    body counts nothing, so that short ones always have room.

    Args:
        limit_bytes: of all bodies together.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit, self._taken = limit_bytes, 0

    @property
    def taken(self) -> int:
        """The bytes that count."""
        return self._taken

    @contextmanager
    def counted(self, receive: Receive) -> Iterator[Receive]:
        """Counts what is received of one request as long as it lasts. Receiving more than there is
        room for raises `TooManyRequests`."""
        received = held = 0

        async def counting() -> Message:
            nonlocal received, held
            message = await receive()
            received += len(message.get("body", b""))
            more = max(0, received - FREE_BYTES) - held
            if self._taken + more > self._limit:
                # The rest of the body stays unread, so the connection cannot be reused.
                raise TooManyRequests(
                    f"The gateway is at its limit of {self._limit} bytes of concurrent requests; "
                    "try again.",
                    headers={"retry-after": str(RETRY_AFTER_SECONDS), "connection": "close"},
                )
            held += more
            self._taken += more
            return message

        try:
            yield counting
        finally:
            self._taken -= held


class Admission:
    """Holds a slot, and room for the body, while a request to `/v1/` is served."""

    def __init__(self, app: ASGIApp, slots: Slots, bodies: BodyRoom) -> None:
        self._app, self._slots, self._bodies = app, slots, bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        with self._slots.slot(), self._bodies.counted(receive) as counting:
            await self._app(scope, counting, send)
