"""Targets: each names a measure of the run and the most that it may be. `MEASURES` lists them.

Times are those of patient readers. What could not be measured has not been met.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from loadtests.traffic.ledger import Ledger

MEASURES: Mapping[str, str] = {
    "first_token_p95_seconds": "to the first token, from when the request was due",
    "token_gap_p95_seconds": "between two pieces of text",
    "answer_p95_seconds": "to the end of the answer",
    "failed_share": "requests that failed, or were not sent because too many were in flight",
    "refused_share": "requests that got 429 or 503",
    "slowdown": "median to the first token in the last third, beside that of the first third",
    "in_flight_after": "requests that the gateway still counts when all clients are gone",
}
"""The first three with any percentile from 1 to 99."""

_PERCENTILE = re.compile(r"(first_token|token_gap|answer)_p([1-9]\d?)_seconds")
_TIMES = {"first_token": "first", "token_gap": "gap", "answer": "answer"}
_MIDDLE = 0.5


@dataclass(frozen=True)
class Run:
    """What is measured: the ledger, and what the gateway counted afterwards, if it was asked."""

    ledger: Ledger
    in_flight: float | None = None


Measure = Callable[[Run], float | None]


@dataclass(frozen=True)
class Check:
    """A target, what was measured, and whether it was met."""

    name: str
    limit: float
    value: float | None

    @property
    def met(self) -> bool:
        """Whether it was."""
        return self.value is not None and self.value <= self.limit

    def line(self) -> str:
        """In words."""
        value = "not known" if self.value is None else f"{self.value:.4g}"
        return (
            f"{'met   ' if self.met else 'MISSED'} {self.name} = {value} (at most {self.limit:g})"
        )


def _slowdown(run: Run) -> float | None:
    first, last = (run.ledger.of("third", of).times["first"].quantile(_MIDDLE) for of in "13")
    return None if first is None or last is None else last / first


_NAMED: Mapping[str, Measure] = {
    "failed_share": lambda run: run.ledger.of().share("failed", "unsent", "unfinished"),
    "refused_share": lambda run: run.ledger.of().share("refused"),
    "slowdown": _slowdown,
    "in_flight_after": lambda run: run.in_flight,
}


def measure(name: str) -> Measure:
    """What a target's name measures.

    Raises:
        ValueError: nothing has this name.
    """
    if name in _NAMED:
        return _NAMED[name]
    found = _PERCENTILE.fullmatch(name)
    if found is None:
        raise ValueError(f"slos: nothing is called {name!r}; there are {', '.join(MEASURES)}")
    time, share = _TIMES[found[1]], int(found[2]) / 100
    return lambda run: run.ledger.of().times[time].quantile(share)


def checks(targets: Mapping[str, float], run: Run) -> tuple[Check, ...]:
    """Every target beside what was measured."""
    return tuple(Check(name, limit, measure(name)(run)) for name, limit in targets.items())
