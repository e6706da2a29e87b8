"""Admission control: limits on concurrent requests to `/v1/`, and on the bytes of their bodies.
Probes and metrics always pass."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import TooManyRequests

RETRY_AFTER_SECONDS = 1

FREE_BYTES = 64 * 1024
"""Of each body."""

_TURNS = 2


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

    Longer ones come in turns of two, each until it is parsed: a body in parts and what is made of
    it need four times its bytes. Who is slow does not keep the others.

    Args:
        limit_bytes: of all bodies together.
        turn_seconds: after which the next may come, whether or not the one before is there.
    """

    def __init__(self, limit_bytes: int, turn_seconds: float = 0.5) -> None:
        self.limit_bytes, self.turn_seconds = limit_bytes, turn_seconds
        self.taken = 0
        self.turns = asyncio.Semaphore(_TURNS)


class CountedBody:
    """One request's body, on its way in and while the request lasts, which is a `with` block.

    Args:
        room: what it takes from.
        receive: where it comes from.
    """

    def __init__(self, room: BodyRoom, receive: Receive) -> None:
        self._room, self._receive = room, receive
        self._received = self._held = 0
        self._came = self._complete = False
        self._turn: asyncio.TimerHandle | None = None

    def __enter__(self) -> "CountedBody":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._held or self._came:
            self._end_turn()
            self._room.taken -= self._held

    async def receive(self) -> Message:
        """The next message. Who asks for one after the body has parsed it.

        Raises:
            TooManyRequests: there is no room for it.
        """
        if self._turn is not None and self._complete:
            self._end_turn()
        elif self._received > FREE_BYTES and not self._came:
            await self._come()
        message = await self._receive()
        self._complete = not message.get("more_body", False)
        self._received += len(message.get("body", b""))
        if self._received > FREE_BYTES:
            self._hold(self._received - FREE_BYTES - self._held)
        return message

    async def _come(self) -> None:
        await self._room.turns.acquire()
        self._came = True
        loop = asyncio.get_running_loop()
        self._turn = loop.call_later(self._room.turn_seconds, self._end_turn)

    def _end_turn(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
            self._room.turns.release()

    def _hold(self, more: int) -> None:
        if self._room.taken + more > self._room.limit_bytes:
            # The rest of the body stays unread, so the connection cannot be reused.
            raise TooManyRequests(
                f"The gateway is at its limit of {self._room.limit_bytes} bytes of concurrent "
                "requests; try again.",
                headers={"retry-after": str(RETRY_AFTER_SECONDS), "connection": "close"},
            )
        self._held += more
        self._room.taken += more


class Admission:
    """Holds a slot, and room for the body, while a request to `/v1/` is served."""

    def __init__(self, app: ASGIApp, slots: Slots, bodies: BodyRoom) -> None:
        self._app, self._slots, self._bodies = app, slots, bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        with self._slots.slot(), CountedBody(self._bodies, receive) as body:
            await self._app(scope, body.receive, send)
