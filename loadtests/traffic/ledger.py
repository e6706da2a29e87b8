"""What was measured so far: counts, sums and distributions, over all and by domain, model, reader
and third of the run. Ledgers of several processes add up."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, get_args

from loadtests.traffic.answer import Answer, Outcome
from loadtests.traffic.histogram import Histogram

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
TIMES = ("first", "gap", "answer", "late")
"""To the first token, between two pieces, to the end, and of the load generator itself."""
PATIENT = "patient"
ALL = "all"


class Tally:
    """Of one group of requests.

    Attributes:
        outcomes: how many requests ended how.
        reasons: why those that were not answered were not.
        used: sums of what answers say of tokens, engine seconds and cost.
        told: how many answers say it.
        times: by the names of `TIMES`.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.used: dict[str, float] = {}
        self.told: Counter[str] = Counter()
        self.times = {name: Histogram() for name in TIMES}

    def mean(self, name: str) -> float | None:
        """Of what answers say, per answer that says it; None where none does."""
        return self.used[name] / self.told[name] if self.told[name] else None

    @property
    def asked(self) -> int:
        """How many requests there were."""
        return self.outcomes.total()

    def share(self, *outcomes: Outcome) -> float:
        """How many of all ended so."""
        return sum(self.outcomes[name] for name in outcomes) / max(self.asked, 1)

    def add(self, answer: Answer, *, timed: bool) -> None:
        """Counts a request; `timed`: its times are the server's, not the reader's."""
        self.outcomes[answer.outcome] += 1
        if answer.why:
            self.reasons[answer.why] += 1
        if answer.outcome != "unsent":
            self.times["late"].add(answer.late)
        for name, value in answer.usage.items():
            self.used[name] = self.used.get(name, 0.0) + value
            self.told[name] += 1
        if answer.outcome == "answered" and timed:
            self.times["answer"].add(answer.seconds)
            if answer.first is not None:
                self.times["first"].add(answer.first)
            self.times["gap"].extend(answer.gaps)

    def merge(self, fields: Mapping[str, Any]) -> None:
        """Adds another one, as it came from `fields`."""
        self.outcomes.update(fields["outcomes"])
        self.reasons.update(fields["reasons"])
        self.told.update(fields["told"])
        for name, value in fields["used"].items():
            self.used[name] = self.used.get(name, 0.0) + value
        for name, of in self.times.items():
            of.merge(fields["times"][name])

    def fields(self) -> dict[str, Any]:
        """As values that any serialiser takes."""
        return {
            "outcomes": dict(self.outcomes),
            "reasons": dict(self.reasons),
            "used": dict(self.used),
            "told": dict(self.told),
            "times": {name: of.fields() for name, of in self.times.items()},
        }


class Ledger:
    """Tallies by what is grouped and the group: `("domain", "sql")`."""

    def __init__(self) -> None:
        self.tallies: dict[tuple[str, str], Tally] = {}

    def of(self, kind: str = ALL, group: str = "") -> Tally:
        """A tally; an empty one where nothing was counted."""
        return self.tallies.get((kind, group), Tally())

    def groups(self, kind: str) -> dict[str, Tally]:
        """Those of a kind, by group."""
        return {group: of for (own, group), of in sorted(self.tallies.items()) if own == kind}

    def add(self, answer: Answer, domain: str, reader: str, third: int) -> None:
        """Counts a request.

        Args:
            answer: what became of it.
            domain: of its prompt.
            reader: how it was read.
            third: of the run in which it was due, from 1 to 3.
        """
        keys = [(ALL, ""), ("domain", domain), ("reader", reader), ("third", str(third))]
        if answer.model is not None:
            keys += [("model", answer.model), ("route", f"{domain} {answer.model}")]
        for key in keys:
            self.tallies.setdefault(key, Tally()).add(answer, timed=reader == PATIENT)

    def merge(self, fields: Mapping[str, Mapping[str, Any]]) -> None:
        """Adds another one, as it came from `fields`."""
        for name, of in fields.items():
            kind, _, group = name.partition(" ")
            self.tallies.setdefault((kind, group), Tally()).merge(of)

    def fields(self) -> dict[str, dict[str, Any]]:
        """As values that any serialiser takes."""
        return {f"{kind} {group}": of.fields() for (kind, group), of in self.tallies.items()}
