"""Admission control: a limit on concurrent requests to `/v1/`. Probes and metrics always pass.

A client, which is a key or, where requests need none, an address, gets three quarters of the room
at most: whoever floods the gateway leaves the others something.
"""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.authentication import caller_of
from gateway.errors import TooManyRequests

RETRY_AFTER_SECONDS = 1
_PART_OF_ONE = 0.75


class Slots:
    """Room for `limit` requests; lives on one event loop."""

    def __init__(self, limit: int) -> None:
        self._limit, self._limit_of_one = limit, math.ceil(_PART_OF_ONE * limit)
        self._taken, self._taken_by = 0, Counter[str]()

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
        if self._taken_by[client] >= self._limit_of_one:
            raise _refused(f"takes no more than {self._limit_of_one} requests at once of a client")
        self._taken += 1
        self._taken_by[client] += 1
        try:
            yield
        finally:
            self._taken -= 1
            self._taken_by[client] -= 1
            if not self._taken_by[client]:
                del self._taken_by[client]


class Admission:
    """Holds a slot while a request to `/v1/` is served."""

    def __init__(self, app: ASGIApp, slots: Slots) -> None:
        self._app, self._slots = app, slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        with self._slots.slot(client_of(scope)):
            await self._app(scope, receive, send)


def client_of(scope: Scope) -> str:
    """What stands for a client: its key, or else its address, as HAProxy tells it; of IPv6 the
    first 64 bits, since who has one address there has all of these."""
    if caller := caller_of(scope):
        return caller
    address, _ = scope.get("client") or ("", 0)
    try:
        return IPv6Address(address).exploded[:19]
    except ValueError:
        return str(address)


def _refused(reason: str) -> TooManyRequests:
    return TooManyRequests(
        f"The gateway {reason}; try again.", headers={"retry-after": str(RETRY_AFTER_SECONDS)}
    )
