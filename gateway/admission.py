"""Admission control: a limit on concurrent requests to `/v1/`. Probes and metrics always pass."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import TooManyRequests

RETRY_AFTER_SECONDS = 1


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


class Admission:
    """Holds a slot while a request to `/v1/` is served."""

    def __init__(self, app: ASGIApp, slots: Slots) -> None:
        self._app, self._slots = app, slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        with self._slots.slot():
            await self._app(scope, receive, send)
