"""A host of pictures for tests, on loopback."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
from aiohttp import web

from gateway.public_network import public_connector
from tests.gateway.name_server import NameServer

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
HERE = "messages[0].content[0].image_url.url"


def as_data(kind: str, data: bytes) -> str:
    """A `data:` URL."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


async def _half(request: web.Request) -> web.StreamResponse:
    """An image that ends before its declared length."""
    response = web.StreamResponse(headers={"Content-Type": "image/png", "Content-Length": "999"})
    await response.prepare(request)
    await response.write(PNG)
    assert request.transport is not None
    request.transport.abort()
    return response


@dataclass
class Pictures:
    """A server, known as `pictures.test`, that gives what it is told to. At `/late` an image never
    comes, and at `/half` the connection breaks.

    Attributes:
        authorities: whom those trust who connect to it.
        paths: what is at each path: status, headers and body.
        seen: the requests that it got.
    """

    authorities: ssl.SSLContext = field(
        default_factory=partial(ssl.SSLContext, ssl.PROTOCOL_TLS_CLIENT)
    )
    paths: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    seen: list[web.Request] = field(default_factory=list)
    _scheme: str = "http"
    _port: int = 0
    _never: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def serving(self, certificate: ssl.SSLContext | None = None) -> AsyncIterator["Pictures"]:
        """Serves on a port that the system chose."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate).start()
            self._port = runner.addresses[0][1]
            self._scheme = "https" if certificate else "http"
            yield self
        finally:
            self._never.set()
            await runner.cleanup()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    def at(
        self,
        path: str,
        body: bytes = PNG,
        *,
        kind: str = "image/png",
        status: int = 200,
        **headers: str,
    ) -> str:
        """Puts something at a path; returns its URL."""
        self.paths[path] = (status, {"Content-Type": kind} | headers, body)
        return self.url(path)

    def url(self, path: str, host: str = "pictures.test") -> str:
        """The URL of a path."""
        return f"{self._scheme}://{host}:{self._port}{path}"

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Of a gateway that may fetch from here."""
        return {"hosts": (f"pictures.test:{self._port}",), "allow_http": True} | changes

    def names(self) -> NameServer:
        """Who knows where it is."""
        return NameServer({"pictures.test": [["127.0.0.1"]], "other.test": [["127.0.0.1"]]})

    def connector(self, names: NameServer | None = None) -> aiohttp.TCPConnector:
        """The real one, but that this machine has a public address."""
        return public_connector(
            names or self.names(), lambda address: address == "127.0.0.1", self.authorities
        )

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        if request.path == "/late":
            await self._never.wait()
        if request.path == "/half":
            return await _half(request)
        status, headers, body = self.paths[request.path]
        return web.Response(status=status, headers=headers, body=body)
