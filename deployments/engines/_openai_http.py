"""The connections to a server, and the time that each request has. Errors of the connection become
`BackendError`s here and nowhere else.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from deployments.authorities import trusted_authorities
from deployments.engines._openai_errors import Blame, error_from, retry_seconds
from deployments.protocol import DeadlineExceeded, Unavailable

_CONNECT_SECONDS = 10.0
_HEALTH_SECONDS = 5.0
_KEEP_SECONDS = 4.0  # less than the 5 of uvicorn and llama.cpp, so that no request meets their end
_AT_ONCE_SECONDS = 1.0  # for the news that a connection was closed before the request
_ERROR_SECONDS = 2.0
_ERROR_BYTES = 64 * 1024
_MAX_WORDS = 200
_LARGE_BYTES = 2**20  # of a body, from which on aiohttp wants a file

Result = TypeVar("Result")


class Server:
    """One server. Its connections are opened when they are needed, in the loop that needs them.

    Args:
        name: the model's, for errors.
        base_url: where its endpoints are.
        key: for `Authorization`.
        timeout_seconds: the longest time without a byte.
        keeps_connections: whether a connection serves further requests.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        key: str | None,
        timeout_seconds: float,
        *,
        keeps_connections: bool = True,
    ) -> None:
        self.name, self._key, self.timeout_seconds = name, key, timeout_seconds
        self._base = base_url.rstrip("/")
        self._keeps = keeps_connections
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._stopped = False

    @property
    def address(self) -> str:
        """Where it is, without the password that the URL may have."""
        parts = urlsplit(self._base)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    async def health(self, path: str) -> None:
        """Raises `Unavailable` unless the server answers with 2xx."""
        limit = min(_HEALTH_SECONDS, self.timeout_seconds)
        try:
            async with asyncio.timeout(limit):
                response = await self._open().get(self._base + path, allow_redirects=False)
                response.close()
        except TimeoutError as error:
            raise Unavailable(self.name, f"upstream: no answer within {limit:g} s") from error
        except aiohttp.ClientError as error:
            raise Unavailable(self.name, f"upstream: {type(error).__name__}") from None
        if not _is_success(response):
            raise Unavailable(self.name, f"upstream answered {response.status}")

    @asynccontextmanager
    async def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        deadline_seconds: float | None,
        parameter: str = "messages",
    ) -> AsyncIterator["Response"]:
        """The response to a request, after its headers. Leaving the block early closes the
        connection, which makes the server stop. `parameter` is to blame for an error that names
        none.

        Raises:
            BackendError: there is no connection, or the server answers with an error.
        """
        blame = Blame(body, parameter, self._key)
        response = Response(self, deadline_seconds, blame)

        def send(keeps: bool) -> Awaitable[aiohttp.ClientResponse]:
            return self._open(keeps).post(
                self._base + path,
                data=BytesIO(body) if len(body) > _LARGE_BYTES else body,
                headers=headers,
                allow_redirects=False,
            )

        try:
            await response.begin(send)
            yield response
        finally:
            response.close()

    async def stop(self) -> None:
        """Closes every connection, and opens none from then on."""
        self._stopped = True
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()

    def _open(self, keeps: bool = True) -> aiohttp.ClientSession:
        """The session whose connections are kept for further requests, or the one whose are not."""
        if self._stopped:
            raise Unavailable(self.name, "the engine is stopped")
        keeps = keeps and self._keeps
        if keeps not in self._sessions:
            timeout = self.timeout_seconds
            connect = min(_CONNECT_SECONDS, timeout)
            self._sessions[keeps] = aiohttp.ClientSession(
                # The caller limits the requests in flight, not the pool.
                connector=aiohttp.TCPConnector(
                    limit=0,
                    keepalive_timeout=_KEEP_SECONDS if keeps else None,
                    force_close=not keeps,
                    ssl=trusted_authorities() if self._base.startswith("https:") else True,
                ),
                timeout=aiohttp.ClientTimeout(connect=connect, sock_read=timeout),
                headers=self._headers(),
                cookie_jar=aiohttp.DummyCookieJar(),
                proxy=_proxy(self._base),
            )
        return self._sessions[keeps]

    def _headers(self) -> dict[str, str]:
        # A stream that is compressed comes in blocks instead of tokens.
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        return headers | ({"Authorization": f"Bearer {self._key}"} if self._key else {})


class Response:
    """One response, read in time. `deadline_seconds` count from construction."""

    def __init__(self, server: Server, deadline_seconds: float | None, blame: Blame) -> None:
        self._server, self._blame = server, blame
        self._started = time.monotonic()
        self._deadline = deadline_seconds
        self._ends_within: float | None = None
        self._response: aiohttp.ClientResponse | None = None

    def elapsed(self) -> float:
        """Seconds since construction."""
        return time.monotonic() - self._started

    async def begin(self, send: Callable[[bool], Awaitable[aiohttp.ClientResponse]]) -> None:
        """Waits for the headers; raises on an error status."""
        self._response = await self._in_time(self._sent(send))
        if _is_success(self._response):
            return
        self.expect_end(_ERROR_SECONDS)
        body = bytearray()
        while len(body) < _ERROR_BYTES and (data := await self.read()):
            body += data
        text = body[:_ERROR_BYTES].decode("utf-8", errors="replace")
        response, seconds = self._response, retry_seconds(self._response.headers)
        raise error_from(self._server.name, response.status, text, self._blame, seconds)

    async def _sent(
        self, send: Callable[[bool], Awaitable[aiohttp.ClientResponse]]
    ) -> aiohttp.ClientResponse:
        """Sends the request again, on a new connection, where its own breaks at once, as one does
        that the server closed since its last response: llama.cpp's does so after each stream, and
        says that it does not."""
        try:
            return await send(True)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            if isinstance(error, aiohttp.ClientConnectorError) or self.elapsed() > _AT_ONCE_SECONDS:
                raise
        return await send(False)

    def expect_end(self, within_seconds: float) -> None:
        """Says that nothing needed comes any more: within these seconds the body ends, or is taken
        to have ended, which leaves its connection for other requests where it is in order."""
        end = self.elapsed() + within_seconds
        self._ends_within = min(end, self._ends_within or end)

    async def read(self) -> bytes:
        """The bytes that are there, or the next ones; nothing at the end."""
        assert self._response is not None
        content = self._response.content
        try:
            self._check_time()
            if (ready := _ready(content)) or content.at_eof():
                return ready
            return await self._in_time(content.readany())
        except (Unavailable, DeadlineExceeded):
            if self._ends_within is None:
                raise
            return b""

    def close(self) -> None:
        """Closes the connection, unless the body was read to its end."""
        if self._response is not None:
            self._response.close()

    async def _in_time(self, step: Awaitable[Result]) -> Result:
        """Awaits one step; a timeout around a `yield` could fire in the caller.

        Raises:
            DeadlineExceeded: the deadline or the server's time without a byte has passed.
            Unavailable: the connection failed.
        """
        name, limit = self._server.name, self._server.timeout_seconds
        try:
            async with asyncio.timeout(self._remaining()):
                return await step
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            address, kind = self._server.address, type(error).__name__
            raise Unavailable(name, f"{address}: cannot connect ({kind})") from None
        except aiohttp.SocketTimeoutError as error:
            raise DeadlineExceeded(name, limit) from error
        except TimeoutError as error:
            raise DeadlineExceeded(name, self._deadline or 0.0) from error
        except (aiohttp.ClientError, OSError) as error:
            # Some of aiohttp's errors keep the request's headers and the server's words.
            kept = isinstance(error, aiohttp.ClientResponseError)
            reason = type(error).__name__ if kept else str(error)[:_MAX_WORDS]
            raise Unavailable(name, f"connection lost: {reason}") from None

    def _check_time(self) -> None:
        """Raises `DeadlineExceeded`, also where a server has always more to read."""
        remaining = self._remaining()
        if remaining is not None and remaining <= 0:
            raise DeadlineExceeded(self._server.name, self._deadline or 0.0)

    def _remaining(self) -> float | None:
        limits = [limit for limit in (self._deadline, self._ends_within) if limit is not None]
        return min(limits) - self.elapsed() if limits else None


def _ready(content: aiohttp.StreamReader) -> bytes:
    """What can be read without a wait."""
    if content.exception() is None:
        return content.read_nowait()
    # It came before the connection failed, which aiohttp's own methods tell first.
    return content._read_nowait(-1)


def _is_success(response: aiohttp.ClientResponse) -> bool:
    return 200 <= response.status < 300


def _proxy(base_url: str) -> str | None:
    """The proxy that the environment names for a server, as for other programs."""
    parts = urlsplit(base_url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
