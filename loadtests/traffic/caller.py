"""One streamed request over a connection of its own, as clients that know nothing of each other
make them. It is sent once, never tried again, and whatever happens is an answer.

Blocking sockets of the standard library: under gevent they wait without blocking, and elsewhere
they are what they are.
"""

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import perf_counter, sleep
from typing import Any
from urllib.parse import urlsplit

from loadtests.traffic.answer import Answer, Broken, Reading, events
from loadtests.traffic.errors import TrafficError

_REFUSALS = (429, 503)
_OK = 200
_READ = 65536
_SLOW_BUFFER = 4096
"""Bytes that the kernel keeps for a slow reader, so that the server's own buffers fill sooner."""
_LONGEST_BYTES = 16_000_000
_SHOWN = 160


@dataclass(frozen=True)
class Manner:
    """How an answer is read.

    Attributes:
        pause: seconds between two reads; 0: as it comes.
        leaves_after: seconds after which the client hangs up; None: it stays.
    """

    pause: float = 0.0
    leaves_after: float | None = None


@dataclass(frozen=True)
class Server:
    """Where requests go: `http://host:port`, with or without `/v1`, and the key if it wants one."""

    url: str
    key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise TrafficError(f"{self.url!r} is no address such as http://127.0.0.1:8000")
        object.__setattr__(self, "url", self.url.rstrip("/").removesuffix("/v1"))

    def connection(self, timeout: float) -> HTTPConnection:
        """A connection that is not made yet."""
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        return kind(str(parts.hostname), parts.port, timeout=timeout)

    def path(self, below: str) -> str:
        """The path of an endpoint."""
        return f"{urlsplit(self.url).path}{below}"

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"authorization": f"Bearer {self.key}"} if self.key else {}


class Caller:
    """Asks.

    Args:
        server: whom.
        timeout: seconds after which a request has failed.
        clock: monotonic seconds.
    """

    def __init__(
        self, server: Server, timeout: float, clock: Callable[[], float] = perf_counter
    ) -> None:
        self._server, self._timeout, self._clock = server, timeout, clock

    def ask(self, body: Mapping[str, Any], due: float, manner: Manner) -> Answer:
        """Sends a request and reads the answer.

        Args:
            body: of the request; it is to stream.
            due: when by the clock it should have been sent: what counts is the wait of who wanted
                to ask then.
            manner: how it is read.
        """
        reading, stays = Reading(self._clock, due), self._timeout
        if manner.leaves_after is not None:
            stays = min(stays, manner.leaves_after)
        connection = self._server.connection(stays)
        try:
            return self._read(connection, body, reading, (manner, self._clock() + stays))
        except TimeoutError:
            if stays < self._timeout:
                return reading.ended("left")
            return reading.ended("failed", f"no whole answer within {self._timeout:g} s")
        except Broken as error:
            return reading.ended("failed", str(error))
        except (HTTPException, OSError) as error:
            return reading.ended("failed", f"{type(error).__name__}: {error}"[:_SHOWN])
        finally:
            connection.close()

    def _read(
        self,
        connection: HTTPConnection,
        body: Mapping[str, Any],
        reading: Reading,
        stay: tuple[Manner, float],
    ) -> Answer:
        manner, end = stay
        headers = {"content-type": "application/json", **self._server.headers}
        path = self._server.path("/v1/chat/completions")
        connection.request("POST", path, json.dumps(body).encode(), headers)
        line = connection.sock  # an answer that closes the connection takes it away
        if manner.pause:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SLOW_BUFFER)

        def wait() -> None:
            line.settimeout(self._left(end))

        wait()
        response = connection.getresponse()
        if response.status != _OK:
            return _refused(response, reading)

        def read() -> bytes:
            sleep(min(manner.pause, self._left(end)))
            wait()
            return response.read1(_READ)

        for payload in events(read, _LONGEST_BYTES):
            reading.take(payload)
        return reading.whole()

    def _left(self, end: float) -> float:
        if (left := end - self._clock()) <= 0:
            raise TimeoutError
        return left


def _refused(response: HTTPResponse, reading: Reading) -> Answer:
    text = response.read(_READ).decode(errors="replace")
    try:
        error = json.loads(text)["error"]
        why = str(error.get("code") or error["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        why = " ".join(text.split())
    told = f"HTTP {response.status}: {why}"[:_SHOWN]
    return reading.ended("refused" if response.status in _REFUSALS else "failed", told)
