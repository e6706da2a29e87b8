"""Service level objectives: each names a measure of the run and its highest allowed value.

Times are those of readers at full speed. An objective that could not be measured is missed.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from loadtests.traffic.measurements import Measurements

MEASURES: Mapping[str, str] = {
    "first_token_p95_seconds": "to the first token, from when the request was due",
    "token_gap_p95_seconds": "between two pieces of text",
    "answer_p95_seconds": "to the end of the answer",
    "failed_share": "requests that failed, or were not sent because too many were in flight",
    "refused_share": "requests that got 429 or 503",
    "slowdown": "median time to the first token, last third of the run divided by the first",
    "in_flight_after": "requests that the gateway still counts when no client is left",
}
"""The first three with any percentile from 1 to 99."""

_PERCENTILE = re.compile(r"(first_token|token_gap|answer)_p([1-9]\d?)_seconds")
_TIMES = {"first_token": "first", "token_gap": "gap", "answer": "answer"}
_MEDIAN = 0.5


@dataclass(frozen=True)
class Run:
    """A finished run, and the gateway's requests in flight after it, if known."""

    measurements: Measurements
    in_flight: float | None = None


Measure = Callable[[Run], float | None]


@dataclass(frozen=True)
class SloResult:
    """An objective with its measured value."""

    name: str
    limit: float
    value: float | None

    @property
    def met(self) -> bool:
        """Whether the value is within the limit."""
        return self.value is not None and self.value <= self.limit

    def line(self) -> str:
        """The result as text."""
        value = "unknown" if self.value is None else f"{self.value:.4g}"
        return (
            f"{'met   ' if self.met else 'MISSED'} {self.name} = {value} (at most {self.limit:g})"
        )


def _slowdown(run: Run) -> float | None:
    thirds = (run.measurements.of("third", third).times["first"] for third in "13")
    first, last = (times.quantile(_MEDIAN) for times in thirds)
    return None if first is None or last is None else last / first


_NAMED: Mapping[str, Measure] = {
    "failed_share": lambda run: run.measurements.of().share("failed", "unsent", "unfinished"),
    "refused_share": lambda run: run.measurements.of().share("refused"),
    "slowdown": _slowdown,
    "in_flight_after": lambda run: run.in_flight,
}


def measure(name: str) -> Measure:
    """The measure that an objective names.

    Raises:
        ValueError: the name is unknown.
    """
    if name in _NAMED:
        return _NAMED[name]
    found = _PERCENTILE.fullmatch(name)
    if found is None:
        raise ValueError(f"slos: unknown measure {name!r}; known: {', '.join(MEASURES)}")
    time, share = _TIMES[found[1]], int(found[2]) / 100
    return lambda run: run.measurements.of().times[time].quantile(share)


def evaluate(slos: Mapping[str, float], run: Run) -> tuple[SloResult, ...]:
    """Every objective with its measured value."""
    return tuple(SloResult(name, limit, measure(name)(run)) for name, limit in slos.items())
