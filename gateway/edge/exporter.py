"""Serves a node's counts to Prometheus, with HAProxy's own counters behind them.

It runs in the guard, so that it answers, and counts, while HAProxy is gone or replaced.
"""

import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gateway.edge.counts import Counts
from gateway.edge.door import Door

_HAPROXY_SECONDS = 2
"""Within Prometheus' own patience; one that hangs would cost the counts as well."""

_LINE_BYTES = 4096
_LINES_SECONDS = 0.05
"""In which the socket's buffer holds what tens of thousands of requests a second would log."""


def start_exporter(
    door: Door, counts: Counts, lines: socket.socket, address: tuple[str, int]
) -> None:
    """Counts and serves in threads. A port that is taken costs the metrics, and not the guard.

    Args:
        door: whose HAProxy's own counters follow.
        counts: where they are counted.
        lines: the access log.
        address: where Prometheus asks.
    """
    _start(_count, lines, counts)

    class Scrape(BaseHTTPRequestHandler):
        """Answers a scrape."""

        def do_GET(self) -> None:
            """The same at every path."""
            body = counts.exposition().encode() + haproxys_own(door)
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    try:
        server = ThreadingHTTPServer(address, Scrape)
    except OSError as error:
        sys.stderr.write(f"no metrics at {address}: {error}\n")
        return
    _start(server.serve_forever)


def haproxys_own(door: Door) -> bytes:
    """What HAProxy's exporter tells; nothing if there is no HAProxy."""
    with closing(_UnixConnection(door)) as connection:
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read()
        except (OSError, HTTPException):
            return b""


class _UnixConnection(HTTPConnection):
    """To HAProxy's exporter."""

    def __init__(self, door: Door) -> None:
        super().__init__("haproxy", timeout=_HAPROXY_SECONDS)
        self._path = str(door.exporter_socket)

    def connect(self) -> None:
        """Connects; called by `request`."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _count(lines: socket.socket, counts: Counts) -> None:
    """Counts what has come since it last looked: to wake for each line costs more than the line."""
    while True:
        counts.add(lines.recv(_LINE_BYTES))
        time.sleep(_LINES_SECONDS)
        with suppress(BlockingIOError):
            while True:
                counts.add(lines.recv(_LINE_BYTES, socket.MSG_DONTWAIT))


def _start(work: Callable[..., object], *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()
