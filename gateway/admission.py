"""Admission control: limits on concurrent requests to `/v1/`, and on the bytes of their bodies.
Probes and metrics always pass.

A client, which is a key or, where requests need none, an address, gets three quarters of the room
at most: whoever floods the gateway leaves the others something.
"""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.authentication import caller_of
from gateway.errors import TooManyRequests

RETRY_AFTER_SECONDS = 1
_PART_OF_ONE = 0.75

FREE_BYTES = 64 * 1024
"""Of each body."""

_TURN_SECONDS = 5.0
"""After which the next body may be parsed in any case: parsing takes tenths of a second, and who
does not listen for a disconnect does not tell its end."""


class Slots:
    """Room for `limit` requests; lives on one event loop."""

    def __init__(self, limit: int) -> None:
        self._limit, self._limit_of_one = limit, math.ceil(_PART_OF_ONE * limit)
        self._taken, self._taken_by = 0, dict[str, int]()

    @property
    def taken(self) -> int:
        """The number of slots in use."""
        return self._taken

    @contextmanager
    def slot(self, client: str) -> Iterator[None]:
        """Holds a slot.

        Raises:
            TooManyRequests: all slots are in use, or the client has as many as one may have.
        """
        if self._taken >= self._limit:
            raise _refused(f"is at its limit of {self._limit} concurrent requests")
        taken = self._taken_by.get(client, 0)
        if taken >= self._limit_of_one:
            raise _refused(f"takes no more than {self._limit_of_one} requests at once of a client")
        self._taken += 1
        self._taken_by[client] = taken + 1
        try:
            yield
        finally:
            self._taken -= 1
            self._taken_by[client] -= 1
            if not self._taken_by[client]:
                del self._taken_by[client]


class BodyRoom:
    """Room for the bodies of the requests under way; lives on one event loop. The beginning of a
    body counts nothing, so that short ones always have room.

    Longer ones are parsed in turn: Python does one at a time anyway, and what is made of each needs
    three times its bytes meanwhile.

    Args:
        limit_bytes: of all bodies together.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes, self.taken = limit_bytes, 0
        self.parsing = asyncio.Lock()


class CountedBody:
    """One request's body, on its way in and while the request lasts, which is a `with` block.

    Args:
        room: what it takes from.
        receive: where it comes from.
    """

    def __init__(self, room: BodyRoom, receive: Receive) -> None:
        self._room, self._receive = room, receive
        self._received = self._held = 0
        self._parsing = False

    def __enter__(self) -> "CountedBody":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._room.taken -= self._held
        if self._parsing:
            self._end_turn()

    async def receive(self) -> Message:
        """The next message; the last one of a longer body when it may be parsed. Who asks for
        another has parsed it.

        Raises:
            TooManyRequests: there is no room for it.
        """
        if self._parsing:
            self._end_turn()
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > FREE_BYTES:
            self._hold(self._received - FREE_BYTES - self._held)
            if message["type"] == "http.request" and not message.get("more_body", False):
                await self._room.parsing.acquire()
                self._parsing = True
                asyncio.get_running_loop().call_later(_TURN_SECONDS, self._end_turn)
        return message

    def _end_turn(self) -> None:
        if self._parsing:
            self._parsing = False
            self._room.parsing.release()

    def _hold(self, more: int) -> None:
        if self._room.taken + more > self._room.limit_bytes:
            # The rest of the body stays unread, so the connection cannot be reused.
            limit = self._room.limit_bytes
            raise _refused(f"is at its limit of {limit} bytes of requests", connection="close")
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
        with (
            self._slots.slot(client_of(scope)),
            CountedBody(self._bodies, receive) as body,
        ):
            await self._app(scope, body.receive, send)


def client_of(scope: Scope) -> str:
    """What stands for a client: its key, or else its address, as HAProxy tells it; of IPv6 the
    first 64 bits, since who has one address there has all of these."""
    if caller := caller_of(scope):
        return caller
    address: str
    address, _ = scope.get("client") or ("", 0)
    if ":" not in address:
        return address
    try:
        return IPv6Address(address).exploded[:19]
    except ValueError:
        return address


def _refused(reason: str, **headers: str) -> TooManyRequests:
    return TooManyRequests(
        f"The gateway {reason}; try again.",
        headers={"retry-after": str(RETRY_AFTER_SECONDS), **headers},
    )
