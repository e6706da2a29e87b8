"""Labelled prompts from the gateway's decisions and feedback on them.

Rule: a decision alone is no label. Training on the router's own decisions would only confirm them,
so a request counts only if a line of feedback gives the right domain, or a score of the answer:

    {"request_id": ..., "domain": ...}      the right domain
    {"request_id": ..., "score": ...} from 0 to 1; 0.5 or more confirms the domain

A score confirms a domain only if the model of the decided domain answered. A low score does not say
which domain is right, and neither does a good answer of the generalist to an uncertain request.
Later lines override earlier ones, and a domain overrides a score.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lab.routing.dataset import LabelledQuery, domain_of, parse_query, refuse_unknown, score_of
from lab.routing.rows import wording
from lab.statistics.jsonl import Fault, read_jsonl, read_log, string
from router.classifier import prompt_sha256, text_of
from router.errors import DataError
from router.types import GENERAL, Query, Reason

_CONFIRMS = 0.5
_Loss = Literal["unjudged", "undecided", "ambiguous", "textless"]
"""Why a decision gives no labelled prompt; see `LabelledLog`."""


@dataclass(frozen=True, slots=True)
class LabelledLog:
    """The labelled prompts of a log, and counts of the decisions that gave none.

    Attributes:
        rows: the labelled prompts.
        decisions: lines of the log.
        cut: truncated lines of the log.
        unjudged: decisions without feedback.
        undecided: decisions whose score does not determine the domain.
        ambiguous: decisions whose request id belongs to several requests.
        textless: judged decisions whose prompt is unknown.
        unmatched: request ids of the feedback that the log does not have.
    """

    rows: tuple[LabelledQuery, ...]
    decisions: int
    cut: int
    unjudged: int
    undecided: int
    ambiguous: int
    textless: int
    unmatched: int

    def summary(self) -> str:
        """The counts, a line each, without those that are zero."""
        counts = {
            "decisions in the log": self.decisions,
            "became labelled prompts": len(self.rows),
            "have no feedback: a decision alone is no label": self.unjudged,
            "have a score that does not determine the domain": self.undecided,
            "share their request id with another request": self.ambiguous,
            "have no known prompt: logged as a hash, or not at all": self.textless,
            "lines of the log are truncated": self.cut,
            "request ids of the feedback are not in the log": self.unmatched,
        }
        return "\n".join(f"{count:>8,}  {what}" for what, count in counts.items() if count)


@dataclass(frozen=True, slots=True)
class _Logged:
    """The relevant fields of a line of the log."""

    request_id: str
    domain: str
    reason: str
    sha256: str | None
    query: Query | None

    @property
    def by_its_domain(self) -> bool:
        """Whether the model that answered was the one of the decided domain."""
        return self.reason == Reason.ROUTED or (self.reason, self.domain) == (
            Reason.GENERAL,
            GENERAL,
        )


@dataclass(frozen=True, slots=True)
class _Judgement:
    """A line of feedback."""

    request_id: str
    domain: str | None
    score: float | None

    def domain_for(self, decision: _Logged) -> str | None:
        """The right domain; None if unknown."""
        if self.domain is not None:
            return self.domain
        good = self.score is not None and self.score >= _CONFIRMS
        return decision.domain if good and decision.by_its_domain else None


@dataclass(frozen=True, slots=True)
class _Evidence:
    """The feedback and prompts that complete a log.

    Attributes:
        judgements: by request id.
        repeated: request ids that several requests have.
        texts: prompts by their checksum.
        source: the log's name.
    """

    judgements: Mapping[str, _Judgement]
    repeated: frozenset[str]
    texts: Mapping[str, Query]
    source: str

    def outcome(self, decision: _Logged) -> LabelledQuery | _Loss:
        """The labelled prompt, or why there is none."""
        judgement = self.judgements.get(decision.request_id)
        if judgement is None:
            return "unjudged"
        if decision.request_id in self.repeated:
            return "ambiguous"
        domain = judgement.domain_for(decision)
        if domain is None:
            return "undecided"
        query = decision.query or self.texts.get(decision.sha256 or "")
        if query is None:
            return "textless"
        return LabelledQuery(query, domain, group=wording(text_of(query)), source=self.source)


def from_log(log: Path, feedback: Path, texts: Iterable[Query] = ()) -> LabelledLog:
    """Turns the decisions of a log into labelled prompts by their feedback.

    Args:
        log: the file that `observability.decision_log.path` names.
        feedback: judgements, in the format of the module docstring.
        texts: prompts for log lines that have only a hash.

    Raises:
        DataError: a file cannot be read or has faults, or there is no labelled prompt.
    """
    decisions, cut = read_log(log, _decision)
    judgements = _judgements(feedback)
    times = Counter(decision.request_id for decision in decisions)
    evidence = _Evidence(
        judgements=judgements,
        repeated=frozenset(request_id for request_id, count in times.items() if count > 1),
        texts={prompt_sha256(query): query for query in texts},
        source=log.name,
    )
    outcomes = [evidence.outcome(decision) for decision in decisions]
    lost = Counter(outcome for outcome in outcomes if isinstance(outcome, str))
    found = LabelledLog(
        rows=tuple(outcome for outcome in outcomes if isinstance(outcome, LabelledQuery)),
        decisions=len(decisions),
        cut=cut,
        unjudged=lost["unjudged"],
        undecided=lost["undecided"],
        ambiguous=lost["ambiguous"],
        textless=lost["textless"],
        unmatched=len(judgements.keys() - times.keys()),
    )
    if not found.rows:
        raise DataError(f"{log} and {feedback} give no labelled prompts:\n{_remedies(found)}")
    return found


def _remedies(found: LabelledLog) -> str:
    lines = [found.summary()]
    if found.textless:
        lines.append(
            "Give the prompts themselves with --data (a row needs no domain there), or let the "
            "gateway log them from now on: observability.decision_log.prompts: text"
        )
    if found.undecided or not found.textless:
        lines.append(
            'Judge requests of this log: a line {"request_id": ..., "domain": ...} for each'
        )
    return "\n".join(lines)


def _decision(fields: dict[str, Any]) -> _Logged:
    sha256 = fields.get("prompt_sha256")
    return _Logged(
        request_id=string(fields.get("request_id"), "request_id"),
        domain=domain_of(fields.get("domain")),
        reason=string(fields.get("reason"), "reason"),
        sha256=None if sha256 is None else string(sha256, "prompt_sha256"),
        query=_prompt(fields),
    )


def _prompt(fields: dict[str, Any]) -> Query | None:
    try:
        return parse_query({name: fields.get(name) for name in ("text", "messages")})
    except Fault:  # hashed, or nothing was said
        return None


def _judgements(path: Path) -> dict[str, _Judgement]:
    """The last domain for each request; else its last score."""
    found: dict[str, _Judgement] = {}
    for judgement in read_jsonl(path, _judgement):
        before = found.get(judgement.request_id)
        if judgement.domain is not None or before is None or before.domain is None:
            found[judgement.request_id] = judgement
    return found


def _judgement(fields: dict[str, Any]) -> _Judgement:
    refuse_unknown(fields, ("request_id", "domain", "score"))
    domain, score = fields.get("domain"), fields.get("score")
    if domain is None and score is None:
        raise Fault("neither domain nor score; give one of them")
    return _Judgement(
        request_id=string(fields.get("request_id"), "request_id"),
        domain=None if domain is None else domain_of(domain),
        score=None if score is None else score_of(score, "score"),
    )
