"""What the demonstration's journal holds: requests, transitions, evidence, and where phases begin.

Every figure and picture is computed from these lines alone, so it can be computed again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Phase:
    """A stretch of the stream with one generalist; `time` is when it began, in Unix seconds."""

    phase: int
    generalist: str
    time: float


@dataclass(frozen=True)
class Request:
    """A request of the stream, and what came of it.

    Attributes:
        number: its place in the stream, from 1, in the order of sending.
        phase: from 1.
        row: the prompt's key.
        domain: whose question it is.
        sent: Unix seconds.
        model: who answered the user; None: nobody.
        reason: why that model.
        specialist: whom the classifier chose, be it that it may have traffic or not; None: nobody.
        outcomes: the score of each model whose answer is known.
        paired: the other answer came from the gateway's comparison, and both were scored by
            feedback; else it was asked for by name, and is no evidence.
        error: why there is no answer.
    """

    number: int
    phase: int
    row: str
    domain: str
    sent: float
    model: str | None = None
    reason: str | None = None
    specialist: str | None = None
    outcomes: Mapping[str, float] = field(default_factory=dict)
    paired: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Transition:
    """A change of a specialist's state, as `/v1/niche/evidence` tells it.

    `quality` is the difference then, specialist less generalist: low, mean, high.
    """

    phase: int
    specialist: str
    time: float
    before: str | None
    after: str
    by: str
    reason: str
    pairs: int
    quality: tuple[float, float, float] | None


@dataclass(frozen=True)
class Evidence:
    """What was known at some time; by specialist its state and its graded pairs in that state.

    `after` is how many requests had been sent.
    """

    phase: int
    time: float
    after: int
    states: Mapping[str, str]
    pairs: Mapping[str, int]


Record = Phase | Request | Transition | Evidence
_KINDS: Mapping[str, type[Record]] = {
    "phase": Phase,
    "request": Request,
    "transition": Transition,
    "evidence": Evidence,
}


@dataclass(frozen=True)
class Story:
    """All of it; the requests in the order of sending."""

    phases: tuple[Phase, ...]
    requests: tuple[Request, ...]
    transitions: tuple[Transition, ...]
    evidence: tuple[Evidence, ...]

    def sent_by(self, time: float) -> int:
        """How many requests had been sent at a time."""
        return sum(request.sent <= time for request in self.requests)


def line(record: Record) -> dict[str, Any]:
    """A record as JSON values."""
    kind = next(name for name, of in _KINDS.items() if isinstance(record, of))
    return {"kind": kind, **asdict(record)}


def read_story(lines: Sequence[Mapping[str, Any]]) -> Story:
    """The records of a journal."""
    found: dict[str, list[Any]] = {kind: [] for kind in _KINDS}
    for fields in lines:
        given = {name: value for name, value in fields.items() if name != "kind"}
        found[fields["kind"]].append(_KINDS[fields["kind"]](**given))
    return Story(
        phases=tuple(found["phase"]),
        requests=tuple(sorted(found["request"], key=lambda request: request.number)),
        transitions=tuple(sorted(found["transition"], key=lambda moved: moved.time)),
        evidence=tuple(found["evidence"]),
    )
