"""The state of a server: whether it is ready, and how many requests it has in flight."""

import time
from http.client import HTTPException

from loadtests.traffic.client import Server

READY_PATH = "/readyz?all"

_SECONDS = 10.0
_PAUSE = 0.25
_IN_A_ROW = 6
"""Several gateway replicas answer in turn: each has to be ready."""
_OK = 200
_GAUGE = "niche_requests_in_flight"


def ready(server: Server, path: str = READY_PATH) -> bool:
    """Whether the path answers 200."""
    return _get(server, path) is not None


def requests_in_flight(server: Server) -> float | None:
    """The gateway's metric of requests in flight; None if it has none."""
    text = _get(server, "/metrics")
    values = [
        float(line.split()[-1])
        for line in (text or "").splitlines()
        if line.startswith((f"{_GAUGE} ", f"{_GAUGE}{{"))
    ]
    return sum(values) if values else None


def wait_until_ready(server: Server, seconds: float, path: str = READY_PATH) -> bool:
    """Whether it was ready several times in a row within these seconds."""
    end, row = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        row = row + 1 if ready(server, path) else 0
        if row == _IN_A_ROW:
            return True
        time.sleep(_PAUSE)
    return False


def wait_until_idle(server: Server, seconds: float) -> float | None:
    """Waits until no request is in flight; returns the number left after these seconds."""
    end = time.monotonic() + seconds
    while (left := requests_in_flight(server)) and time.monotonic() < end:
        time.sleep(_PAUSE)
    return left


def _get(server: Server, path: str) -> str | None:
    connection = server.connection(_SECONDS)
    try:
        connection.request("GET", server.path(path), headers=server.headers)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
        return text if response.status == _OK else None
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
