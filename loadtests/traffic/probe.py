"""What a server says of itself, beside its answers: whether it is ready, and how much it still
works on."""

import time
from http.client import HTTPException

from loadtests.traffic.caller import Server

_SECONDS = 10.0
_PAUSE = 0.25
_IN_A_ROW = 6
"""Several gateway replicas answer in turn: each has to say so."""
_OK = 200
_GAUGE = "niche_requests_in_flight"


def ready(server: Server) -> bool:
    """Whether `/readyz` says so."""
    return _get(server, "/readyz") is not None


def in_flight(server: Server) -> float | None:
    """How many requests the gateway is answering; None where it does not tell."""
    text = _get(server, "/metrics")
    values = [
        float(line.split()[-1])
        for line in (text or "").splitlines()
        if line.startswith((f"{_GAUGE} ", f"{_GAUGE}{{"))
    ]
    return sum(values) if values else None


def wait_until_ready(server: Server, seconds: float) -> bool:
    """Whether it said so for a while, before these seconds were over."""
    end, row = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        row = row + 1 if ready(server) else 0
        if row == _IN_A_ROW:
            return True
        time.sleep(_PAUSE)
    return False


def settled(server: Server, seconds: float) -> float | None:
    """How many requests the gateway answers once there are none, or when the seconds are over."""
    end = time.monotonic() + seconds
    while (left := in_flight(server)) and time.monotonic() < end:
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
