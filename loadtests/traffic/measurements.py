"""What a run has measured so far: counts, sums and distributions, of all requests and by domain,
model, reader and third of the run. Measurements of several processes add up."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, get_args

from loadtests.traffic.client import PATIENT
from loadtests.traffic.histogram import Histogram
from loadtests.traffic.result import Outcome, RequestResult

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
TIMES = ("first", "gap", "answer", "late")
"""Time to the first token, between two pieces of text, to the end; and the delay of sending."""
ALL = "all"


class RequestStats:
    """The statistics of one group of requests.

    Attributes:
        outcomes: the number of requests by outcome.
        reasons: the number of requests that were not answered, by reason.
        usage: sums of the tokens, engine seconds and costs that answers report.
        reported: the number of answers that report each of them.
        times: distributions by the names of `TIMES`.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.usage: dict[str, float] = {}
        self.reported: Counter[str] = Counter()
        self.times = {name: Histogram() for name in TIMES}

    def mean_usage(self, name: str) -> float | None:
        """The mean over the answers that report it; None if none does."""
        return self.usage[name] / self.reported[name] if self.reported[name] else None

    @property
    def count(self) -> int:
        """The number of requests."""
        return self.outcomes.total()

    def share(self, *outcomes: Outcome) -> float:
        """The share of requests with one of these outcomes."""
        return sum(self.outcomes[name] for name in outcomes) / max(self.count, 1)

    def add(self, result: RequestResult, *, timed: bool) -> None:
        """Counts a request; `timed`: its times depend on the server, not on the reader."""
        self.outcomes[result.outcome] += 1
        if result.reason:
            self.reasons[result.reason] += 1
        if result.outcome != "unsent":
            self.times["late"].add(result.late)
        for name, value in result.usage.items():
            self.usage[name] = self.usage.get(name, 0.0) + value
            self.reported[name] += 1
        if result.outcome == "answered" and timed:
            self.times["answer"].add(result.seconds)
            if result.first is not None:
                self.times["first"].add(result.first)
            self.times["gap"].extend(result.gaps)

    def merge(self, fields: Mapping[str, Any]) -> None:
        """Merges the `fields` of another process."""
        self.outcomes.update(fields["outcomes"])
        self.reasons.update(fields["reasons"])
        self.reported.update(fields["reported"])
        for name, value in fields["usage"].items():
            self.usage[name] = self.usage.get(name, 0.0) + value
        for name, histogram in self.times.items():
            histogram.merge(fields["times"][name])

    def fields(self) -> dict[str, Any]:
        """The contents as values that any serialiser supports."""
        return {
            "outcomes": dict(self.outcomes),
            "reasons": dict(self.reasons),
            "usage": dict(self.usage),
            "reported": dict(self.reported),
            "times": {name: histogram.fields() for name, histogram in self.times.items()},
        }


class Measurements:
    """Statistics by the kind of group and its name, such as `("domain", "sql")`."""

    def __init__(self) -> None:
        self._stats: dict[tuple[str, str], RequestStats] = {}

    def of(self, kind: str = ALL, group: str = "") -> RequestStats:
        """The statistics of a group; empty without requests."""
        return self._stats.get((kind, group), RequestStats())

    def groups(self, kind: str) -> dict[str, RequestStats]:
        """The statistics of every group of a kind, by name."""
        return {group: of for (own, group), of in sorted(self._stats.items()) if own == kind}

    def add(self, result: RequestResult, domain: str, reader: str, third: int) -> None:
        """Counts a request.

        Args:
            result: the request's result.
            domain: its prompt's domain.
            reader: the kind of its reader.
            third: of the run in which it was due, from 1 to 3.
        """
        keys = [(ALL, ""), ("domain", domain), ("reader", reader), ("third", str(third))]
        if result.model is not None:
            keys += [("model", result.model), ("route", f"{domain} {result.model}")]
        for key in keys:
            stats = self._stats.setdefault(key, RequestStats())
            stats.add(result, timed=reader == PATIENT.kind)

    def merge(self, fields: Mapping[str, Mapping[str, Any]]) -> None:
        """Merges the `fields` of another process."""
        for name, of in fields.items():
            kind, _, group = name.partition(" ")
            self._stats.setdefault((kind, group), RequestStats()).merge(of)

    def fields(self) -> dict[str, dict[str, Any]]:
        """The contents as values that any serialiser supports."""
        return {f"{kind} {group}": of.fields() for (kind, group), of in self._stats.items()}
