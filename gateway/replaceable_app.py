"""An ASGI app whose place another one can take while it answers.

Rule: a request ends with the app that began it; that app is shut down after its last request.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from gateway.dependencies import Service


class SharedService:
    """A service of several apps: it starts with the first of them and stops with the last."""

    def __init__(self, service: Service) -> None:
        self._service, self._users = service, 0

    async def start(self) -> None:
        """Called by each app before its first request."""
        self._users += 1
        if self._users == 1:
            await self._service.start()

    async def stop(self) -> None:
        """Called by each app after its last request."""
        self._users -= 1
        if self._users == 0:
            await self._service.stop()


class _RunningApp:
    """An app between its start and its end, and the number of its requests."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self._ongoing = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._lifespan = AsyncExitStack()

    async def start(self) -> None:
        app = self.app
        await self._lifespan.enter_async_context(app.router.lifespan_context(app))

    async def stop(self) -> None:
        """Returns when it has answered its requests and has ended."""
        await self._idle.wait()
        await self._lifespan.aclose()

    @contextmanager
    def request(self) -> Iterator[None]:
        self._ongoing += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._ongoing -= 1
            if not self._ongoing:
                self._idle.set()


class ReplaceableApp:
    """Answers with the newest app.

    Args:
        app: the first; the server's lifespan starts it.
    """

    def __init__(self, app: Starlette) -> None:
        self._current = _RunningApp(app)
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def current(self) -> Starlette:
        """The app that answers."""
        return self._current.app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, or the server's lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        current = self._current
        with current.request():
            await current.app(scope, receive, send)

    async def replace(self, app: Starlette) -> None:
        """Starts an app and has it answer every request from now on.

        Raises:
            Exception: what its start raises; the app before it serves on.
        """
        new = _RunningApp(app)
        await new.start()
        old, self._current = self._current, new
        task = asyncio.create_task(old.stop())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def drained(self, seconds: float) -> None:
        """Returns when the apps that were replaced have answered, or after this time."""
        if self._retiring:
            await asyncio.wait(self._retiring, timeout=seconds)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._current.start()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.gather(self._current.stop(), *self._retiring)
        await send({"type": "lifespan.shutdown.complete"})
