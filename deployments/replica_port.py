"""A replica's own HTTP port, where gateways ask it without the detour over Serve's handles.

Only who knows the replica's token is answered. The replica makes it, and tells it to nobody but
those who ask by a handle, which Ray lets in (`ModelServer.report`).

A whole answer and a stream are the same: a sequence of parts (`deployments/frames.py`). A caller
that closes the connection cancels its request. A replica that is about to stop takes no more
requests (503), and ends those that it has.
"""

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from aiohttp import web

from deployments.frames import chunk_part, decode_request, error_part
from deployments.http_address import http_url
from deployments.protocol import Backend, BackendError, ModelRequest

TOKEN = "x-niche-token"
NOT_TAKEN = (401, 503)
"""Statuses of a request that was not begun: for another replica, or for one that stops."""

_TOKEN_BYTES = 32
_LARGEST_BODY = 1 << 30
_KEEP_SECONDS = 120.0
"""Longer than a client keeps a connection, so that it never sends on one that is being closed."""


class ReplicaPort:
    """Serves a backend on a port that the system chooses."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._expected = self._token.encode()
        self._runner: web.AppRunner | None = None
        self._stopping = False
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def token(self) -> str:
        """What a caller has to send as `TOKEN`."""
        return self._token

    async def start(self, host: str) -> str:
        """Listens; returns the address.

        Args:
            host: of the interface at which gateways reach this replica.

        Raises:
            OSError: this machine has no such interface.
        """
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_post("/complete", self._complete)
        app.router.add_post("/stream", self._stream)
        app.router.add_get("/spent", self._spent)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, keepalive_timeout=_KEEP_SECONDS
        )
        await runner.setup()
        await web.TCPSite(runner, host, 0).start()
        self._runner = runner
        name, port = runner.addresses[0][:2]
        return http_url(name, port)

    async def stop(self) -> None:
        """Takes no more requests, waits for those that are open, and closes the port."""
        self._stopping = True
        await self._idle.wait()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        async def whole(asked: ModelRequest) -> web.Response:
            try:
                body = chunk_part(await self._backend.complete(asked))
            except BackendError as error:
                body = error_part(error)
            return web.Response(body=body)

        return await self._taken(request, whole)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        async def streamed(asked: ModelRequest) -> web.StreamResponse:
            response = web.StreamResponse()
            try:
                async with aclosing(self._backend.stream(asked)) as chunks:
                    async for chunk in chunks:
                        if not response.prepared:  # who waits for its head can still go elsewhere
                            await response.prepare(request)
                        await response.write(chunk_part(chunk))
            except BackendError as error:
                if not response.prepared:
                    return web.Response(body=error_part(error))
                await response.write(error_part(error))
            return response

        return await self._taken(request, streamed)

    async def _spent(self, request: web.Request) -> web.Response:
        """The tokens that were generated for a request, which its caller has left."""
        self._let_in(request)
        load = await self._backend.load(request.query["model"])
        return web.Response(text=str(load.recent_tokens.get(request.query["request_id"], 0)))

    def _let_in(self, request: web.Request) -> None:
        token = request.headers.get(TOKEN, "").encode(errors="surrogateescape")
        if not hmac.compare_digest(token, self._expected):
            raise web.HTTPUnauthorized

    async def _taken(
        self,
        request: web.Request,
        answer: Callable[[ModelRequest], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Answers a request that may come in."""
        self._let_in(request)
        if self._stopping:
            raise web.HTTPServiceUnavailable
        self._open += 1
        self._idle.clear()
        try:
            return await answer(decode_request(await request.read()))
        finally:
            self._open -= 1
            if not self._open:
                self._idle.set()
