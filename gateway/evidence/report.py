"""The body of `GET /v1/niche/evidence`: the evidence about each specialist, and totals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from gateway.evidence.schemas import (
    ClaimBody,
    ClaimName,
    Comparison,
    Difference,
    Means,
    SpecialistBody,
    Totals,
    TransitionBody,
)
from gateway.metrics import collected
from router.selection import record
from router.selection.lifecycle import Event
from router.selection.moments import Interval

_CLAIMS: dict[Event, tuple[ClaimName, str]] = {
    Event.WORSE: ("worse", "its {quality} is below the generalist's by more than the margin"),
    Event.WORSE_LATELY: ("worse_lately", "its latest answers are {worse} by more than the margin"),
    Event.NOT_WORSE: (
        "not_worse",
        "its {quality} is not below the generalist's by the margin, nor its cost above",
    ),
    Event.BETTER: ("better", "its {quality} is above the generalist's"),
    Event.HOPELESS: (
        "hopeless",
        "its {quality} is below by more than the margin, beyond nearly all doubt",
    ),
}
_OF_QUALITY = {"quality": "quality", "worse": "worse"}
_OF_NET_WORTH = {"quality": "net worth", "worse": "worth less"}
_LARGEST_LOG = 700.0
"""JSON has no infinity."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests answered since the gateway started, by model; costs in currency units."""

    requests: dict[str, int]
    cost: float
    baseline_cost: float

    @property
    def total(self) -> int:
        """All answered requests."""
        return sum(self.requests.values())


def read_traffic(registry: CollectorRegistry, multiprocess_dir: str | None) -> Traffic:
    """The traffic of all gateway processes, from the gateway's own metrics."""
    requests: dict[str, int] = {}
    costs = {"niche_cost_currency_total": 0.0, "niche_cost_baseline_currency_total": 0.0}
    for family in collected(registry, multiprocess_dir).collect():
        for sample in family.samples:
            if sample.name in costs:
                costs[sample.name] += sample.value
            elif sample.name == "niche_requests_total" and sample.labels["status_class"] == "2xx":
                model = sample.labels["model"]
                requests[model] = requests.get(model, 0) + int(sample.value)
    return Traffic(requests, *costs.values())


@dataclass(frozen=True, slots=True)
class ObservedSpecialist:
    """A specialist, from the store and the metrics.

    `waiting`: its pairs without a grade; `requests`: those that it answered.
    """

    name: str
    domain: str
    requests: int
    waiting: int
    standing: record.SpecialistRecord
    transitions: Sequence[record.Transition]


def render_specialist(specialist: ObservedSpecialist, rules: record.Rules) -> SpecialistBody:
    """A specialist and its evidence."""
    standing, evidence = specialist.standing, specialist.standing.evidence
    words = _OF_QUALITY if rules.point_worth is None else _OF_NET_WORTH
    means = Means(evidence.specialist.mean, evidence.generalist.mean) if evidence.pairs else None
    return SpecialistBody(
        name=specialist.name,
        domain=specialist.domain,
        state=standing.state.value,
        since=standing.since,
        pinned=standing.pinned,
        version=standing.version.specialist,
        requests=specialist.requests,
        pairs=evidence.pairs,
        waiting=specialist.waiting,
        means=means,
        comparison=_comparison(record.compare(evidence, rules)),
        tests=[_claim(claim, words) for claim in record.claims(standing, rules)],
        transitions=[_transition(transition) for transition in specialist.transitions],
    )


def render_trusted(name: str, domain: str, requests: int, since: float) -> SpecialistBody:
    """A specialist that is not compared: active, without evidence."""
    return SpecialistBody(
        name=name,
        domain=domain,
        state="active",
        since=since,
        pinned=False,
        version="",
        requests=requests,
        pairs=0,
        waiting=0,
        means=None,
        comparison=None,
        tests=[],
        transitions=[],
    )


def render_totals(traffic: Traffic, specialists: Sequence[SpecialistBody]) -> Totals:
    """All traffic, beside the all-generalist baseline."""
    routed = sum(traffic.requests.get(specialist.name, 0) for specialist in specialists)
    savings = traffic.baseline_cost - traffic.cost
    return Totals(
        requests=traffic.total,
        routed=routed,
        routed_share=_ratio(routed, traffic.total),
        cost=traffic.cost,
        baseline_cost=traffic.baseline_cost,
        savings=savings,
        savings_share=_ratio(savings, traffic.baseline_cost),
        comparison=_overall(traffic, specialists),
    )


def _overall(traffic: Traffic, specialists: Sequence[SpecialistBody]) -> Comparison | None:
    shares = {
        specialist.name: traffic.requests[specialist.name] / traffic.total
        for specialist in specialists
        if traffic.requests.get(specialist.name)
    }
    comparisons = {
        specialist.name: specialist.comparison
        for specialist in specialists
        if specialist.name in shares
    }
    known = {name: each for name, each in comparisons.items() if each is not None}
    quality = _mixed(shares, {name: each.quality for name, each in known.items()})
    if quality is None:
        return None
    return Comparison(
        quality,
        _mixed(shares, {name: each.latency_seconds for name, each in known.items()}),
        _mixed(shares, {name: each.cost for name, each in known.items()}),
        _mixed(shares, {name: each.engine_seconds for name, each in known.items()}),
        _mixed(shares, {name: each.expense for name, each in known.items()}),
        _mixed(shares, {name: each.net_worth for name, each in known.items()}),
    )


def _mixed(
    shares: Mapping[str, float], differences: Mapping[str, Difference | None]
) -> Difference | None:
    """The difference over all traffic; bounds add up, since all intervals hold jointly."""
    parts = [(share, differences.get(name)) for name, share in shares.items()]
    known_parts = [(share, part) for share, part in parts if part is not None]
    if not parts or len(known_parts) < len(parts):
        return None
    return Difference(
        sum(share * part.mean for share, part in known_parts),
        sum(share * part.low for share, part in known_parts),
        sum(share * part.high for share, part in known_parts),
    )


def _comparison(comparison: record.Comparison | None) -> Comparison | None:
    if comparison is None:
        return None
    quality = Difference(comparison.quality.mean, comparison.quality.low, comparison.quality.high)
    return Comparison(
        quality,
        _difference(comparison.latency_seconds),
        _difference(comparison.cost),
        _difference(comparison.engine_seconds),
        _difference(comparison.expense),
        _difference(comparison.net_worth),
    )


def _difference(interval: Interval | None) -> Difference | None:
    return None if interval is None else Difference(interval.mean, interval.low, interval.high)


def _claim(claim: record.Claim, words: Mapping[str, str]) -> ClaimBody:
    name, sentence = _CLAIMS[claim.event]
    return ClaimBody(
        name=name,
        claim=sentence.format_map(words),
        e_value=math.exp(min(claim.log_e_value, _LARGEST_LOG)),
        threshold=float(f"{math.exp(claim.log_threshold):.9g}"),  # 20, not 19.999999999999996
        in_force=claim.in_force,
    )


def _transition(transition: record.Transition) -> TransitionBody:
    before = transition.before
    return TransitionBody(
        time=transition.time,
        before=None if before is None else before.value,
        after=transition.after.value,
        event=transition.event.value,
        by=transition.cause.value,
        reason=transition.reason,
        version=transition.version,
        pairs=transition.pairs,
        comparison=_comparison(transition.comparison),
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
