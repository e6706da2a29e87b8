"""What clients saw of a node: requests for an answer, their failures, and how long it was shut.

HAProxy's own counters begin anew with each reload, which follows at once when a replica dies, so
they lose what clients saw just then. These are the guard's, out of HAProxy's access log.
"""

import re
from typing import NamedTuple

_REQUEST = re.compile(
    rb"\S+ \[\S+\] \S+ \S+ \S+ (?P<status>-?\d+) \S+ \S+ \S+ (?P<cause>\S)(?P<phase>\S)\S* "
    rb'\S+ \S+ "POST /v1/'
)
"""A request that a model was to answer, as `option httplog` writes it."""


class Family(NamedTuple):
    """A metric: its name, its labels, and what it means."""

    name: str
    labels: tuple[str, ...]
    meaning: str


REQUESTS = Family("niche_edge_requests_total", (), "Requests for an answer that reached the edge")
FAILURES = Family(
    "niche_edge_failures_total",
    ("kind",),
    "Requests for an answer that failed by our fault: 5xx (error), or broken off (cut)",
)
SHUT = Family("niche_edge_shut_seconds_total", (), "Time in which nobody listened, in seconds")
FAMILIES = (REQUESTS, FAILURES, SHUT)
"""All are counters."""

_ERROR, _CUT = "error", "cut"


class Counts:
    """The counts of one node."""

    def __init__(self) -> None:
        self.shut_seconds = 0.0
        self._requests = 0
        self._failures = {_ERROR: 0, _CUT: 0}

    def add(self, line: bytes) -> None:
        """Counts a line of the access log."""
        found = _REQUEST.match(line)
        if found is None:
            return
        self._requests += 1
        cause, phase = found["cause"].decode(), found["phase"].decode()
        failure = _failure(int(found["status"]), cause, phase)
        if failure is not None:
            self._failures[failure] += 1

    def lost(self, requests: int) -> None:
        """Counts requests of which nothing was logged, since HAProxy was killed."""
        self._requests += requests
        self._failures[_CUT] += requests

    def exposition(self) -> str:
        """The counts in Prometheus' format."""
        samples: dict[Family, dict[str, float]] = {
            REQUESTS: {"": self._requests},
            FAILURES: {f'{{kind="{kind}"}}': n for kind, n in self._failures.items()},
            SHUT: {"": round(self.shut_seconds, 3)},
        }
        return "".join(
            f"# HELP {family.name} {family.meaning}\n# TYPE {family.name} counter\n"
            + "".join(f"{family.name}{labels} {value}\n" for labels, value in of.items())
            for family, of in samples.items()
        )


def _failure(status: int, cause: str, phase: str) -> str | None:
    """How a request failed; None: it was answered, or ended by its client.

    Args:
        status: as sent; below 100: none was.
        cause: what ended it, the first letter of HAProxy's `%ts`; "-": nothing did.
        phase: what was going on, the second.
    """
    if cause in "Cc":  # the client left, or kept us waiting
        return None
    if status >= 500 or status < 100:
        return _ERROR
    return _CUT if cause != "-" and phase in "DL" else None
