"""One streamed request over a connection of its own, as independent clients make it.

It is sent once and never retried; every failure is a result. It uses the standard library's
blocking sockets, which gevent makes cooperative.
"""

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import perf_counter, sleep
from typing import Any
from urllib.parse import urlsplit

from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.result import Outcome, RequestResult, ResultBuilder, StreamError, event_data

_REFUSALS = (429, 503)
_OK = 200
_READ = 65536
_SLOW_BUFFER = 4096
"""Bytes that the kernel keeps for a slow reader, so that the server's own buffers fill sooner."""
_MAX_BYTES = 16_000_000
_SHOWN = 160


@dataclass(frozen=True)
class Reader:
    """How a client reads its answer.

    Attributes:
        kind: its name in the figures.
        pause: seconds between two reads; 0: at once.
        disconnect_after: seconds after which the client hangs up; None: never.
    """

    kind: str = "patient"
    pause: float = 0.0
    disconnect_after: float | None = None


PATIENT = Reader()


@dataclass(frozen=True)
class Server:
    """The server: `http://host:port`, with or without `/v1`, and the API key, if any."""

    url: str
    key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise LoadTestError(f"{self.url!r} is not a URL such as http://127.0.0.1:8000")
        object.__setattr__(self, "url", self.url.rstrip("/").removesuffix("/v1"))

    def connection(self, timeout: float) -> HTTPConnection:
        """A new connection, not opened yet."""
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        return kind(str(parts.hostname), parts.port, timeout=timeout)

    def path(self, below: str) -> str:
        """The path of an endpoint."""
        return f"{urlsplit(self.url).path}{below}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {"authorization": f"Bearer {self.key}"} if self.key else {}


class StreamingClient:
    """Sends requests.

    Args:
        server: the server.
        timeout: seconds after which a request has failed.
        clock: monotonic seconds.
    """

    def __init__(
        self, server: Server, timeout: float, clock: Callable[[], float] = perf_counter
    ) -> None:
        self._server, self._timeout, self._clock = server, timeout, clock

    def send(self, body: Mapping[str, Any], due: float, reader: Reader) -> RequestResult:
        """Sends a request and reads the answer.

        Args:
            body: the request's body, with `stream` set.
            due: when it should have been sent, by the clock. Times count from then, since the user
                waits from then.
            reader: how the answer is read.
        """
        building, limit = ResultBuilder(self._clock, due), self._timeout
        if reader.disconnect_after is not None:
            limit = min(limit, reader.disconnect_after)
        connection = self._server.connection(limit)
        try:
            return self._read(connection, body, building, (reader, self._clock() + limit))
        except TimeoutError:
            if limit < self._timeout:
                return building.result("disconnected")
            return building.result("failed", f"no complete answer within {self._timeout:g} s")
        except StreamError as error:
            return building.result("failed", str(error))
        except (HTTPException, OSError) as error:
            return building.result("failed", f"{type(error).__name__}: {error}"[:_SHOWN])
        finally:
            connection.close()

    def _read(
        self,
        connection: HTTPConnection,
        body: Mapping[str, Any],
        building: ResultBuilder,
        until: tuple[Reader, float],
    ) -> RequestResult:
        reader, end = until
        headers = {"content-type": "application/json", **self._server.headers}
        path = self._server.path("/v1/chat/completions")
        connection.request("POST", path, json.dumps(body).encode(), headers)
        line = connection.sock  # a response that closes the connection clears `sock`
        if reader.pause:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SLOW_BUFFER)
        line.settimeout(self._left(end))
        response = connection.getresponse()
        if response.status != _OK:
            return _rejection(response, building)

        def read() -> bytes:
            sleep(min(reader.pause, self._left(end)))
            line.settimeout(self._left(end))
            return response.read1(_READ)

        for payload in event_data(read, _MAX_BYTES):
            building.add(payload)
        return building.answered()

    def _left(self, end: float) -> float:
        if (left := end - self._clock()) <= 0:
            raise TimeoutError
        return left


def _rejection(response: HTTPResponse, building: ResultBuilder) -> RequestResult:
    text = response.read(_READ).decode(errors="replace")
    try:
        error = json.loads(text)["error"]
        reason = str(error.get("code") or error["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        reason = " ".join(text.split())
    outcome: Outcome = "refused" if response.status in _REFUSALS else "failed"
    return building.result(outcome, f"HTTP {response.status}: {reason}"[:_SHOWN])
