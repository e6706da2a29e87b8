"""A specialist's record: its state, the evidence since it entered it, and the tests that move it.

    event                     limit on errors, over all specialists
    worse                     wrongly demoted: ever, with probability at most `alpha`
    worse_lately              wrongly demoted: once in `pairs_per_false_alarm` pairs on average
    not_worse, better         wrongly promoted: ever, with probability at most `alpha`
    hopeless                  wrongly retired: ever, with probability at most `retire_alpha`

A demotion is wrong if the quality is at least the generalist's minus the margin, a promotion if it
is below that. Where a point of quality has a worth, "quality" is quality less what it costs. Rule:
each visit to a state starts without evidence. Pure: the time is passed in.
"""

import math
from dataclasses import dataclass, field, replace

from router.config import SelectionConfig
from router.selection.evidence import POINTS, Evidence, Pair
from router.selection.lifecycle import INITIAL_EVENTS, TESTED, Cause, Event, State, can, transition
from router.selection.moments import Interval


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of the tests, and the number of specialists, which share alpha."""

    selection: SelectionConfig
    specialists: int

    @property
    def margin(self) -> float:
        """A loss of quality below this counts as no worse."""
        return self.selection.margin

    @property
    def point_worth(self) -> float | None:
        """What a point of quality is worth, in currency units; None: quality alone decides."""
        return self.selection.quality_point_worth

    @property
    def level(self) -> float:
        """Each specialist's share of alpha."""
        return self.selection.alpha / self.specialists

    def log_threshold(self, event: Event) -> float:
        """The threshold on the logarithm of an event's e-value."""
        settings = self.selection
        if event is Event.WORSE_LATELY:
            return math.log(settings.pairs_per_false_alarm * self.specialists)
        alpha = settings.retire_alpha if event is Event.HOPELESS else settings.alpha
        return math.log(self.specialists / alpha)


@dataclass(frozen=True, slots=True)
class Version:
    """The version that evidence belongs to, as fingerprints.

    A change of `specialist` or of `baseline`, which covers the generalist, the grading and the
    settings of the tests, drops the evidence; a change of `prices` only what the pairs cost.
    """

    specialist: str
    baseline: str
    prices: str = ""  # unknown: stored before it was part of the version

    def differs_in_prices_alone(self, other: "Version") -> bool:
        """Whether the answers compared are of the same models, graded alike."""
        return self != other and replace(self, prices=other.prices) == other


@dataclass(frozen=True, slots=True)
class SpecialistRecord:
    """A specialist's state, since when (Unix seconds), and the evidence since then.

    Only the operator moves a pinned specialist.
    """

    state: State
    since: float
    version: Version
    pinned: bool = False
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Mean differences per request, specialist minus generalist, each with its interval.

    Attributes:
        cost: of list prices, in currency units.
        expense: of what the models cost, see `Pair`, in currency units.
        net_worth: in currency units; None where a point of quality has no worth.
    """

    quality: Interval
    latency_seconds: Interval | None
    cost: Interval | None
    engine_seconds: Interval | None = None
    expense: Interval | None = None
    net_worth: Interval | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state, with the evidence then; `before` is None for a specialist's first."""

    time: float
    before: State | None
    after: State
    event: Event
    cause: Cause
    reason: str
    version: str
    pairs: int
    comparison: Comparison | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A test of a record: the logarithms of its e-value and of its threshold.

    `in_force` says that it can move the specialist out of its state.
    """

    event: Event
    log_e_value: float
    log_threshold: float
    in_force: bool

    @property
    def decided(self) -> bool:
        """Whether the test moves the specialist now."""
        return self.in_force and self.log_e_value >= self.log_threshold


def claims(record: SpecialistRecord, rules: Rules) -> tuple[Claim, ...]:
    """All claims, in the order of `TESTED`."""
    values = record.evidence.e_values(rules.margin)
    may_cost_more = _may_cost_more(record.evidence, rules)
    e_values = (values.worse, values.worse_lately, values.not_worse, values.better, values.worse)
    return tuple(
        Claim(
            event,
            value,
            rules.log_threshold(event),
            not record.pinned
            and can(record.state, event)
            and not (event is Event.NOT_WORSE and may_cost_more),
        )
        for event, value in zip(TESTED, e_values, strict=True)
    )


def compare(evidence: Evidence, rules: Rules) -> Comparison | None:
    """The mean differences, with intervals at a specialist's share of alpha; None without pairs."""
    quality = evidence.quality(rules.level)
    if quality is None:
        return None
    return Comparison(
        quality,
        evidence.latency_seconds.interval(rules.level),
        evidence.cost.interval(rules.level),
        evidence.engine_seconds.interval(rules.level),
        evidence.expense.interval(rules.level),
        _net_worth(evidence, rules),
    )


def register(
    record: SpecialistRecord | None, version: Version, initial_state: State, now: float
) -> tuple[SpecialistRecord, Transition | None]:
    """The record of a specialist under the current configuration.

    A new specialist, or a new version of one, begins in its declared state. Evidence about another
    version is dropped, and what pairs cost at other prices; a pinned specialist keeps its state.

    Args:
        record: the last record; None: there is none yet.
        version: the configured version.
        initial_state: candidate, shadow or active.
        now: Unix seconds.
    """
    if record is not None and record.version == version:
        return record, None
    if record is not None and record.version.differs_in_prices_alone(version):
        return replace(record, version=version, evidence=record.evidence.without_money()), None
    if record is not None and (record.pinned or record.version.specialist == version.specialist):
        return replace(record, version=version, evidence=Evidence()), None
    reason = "new here" if record is None else "a new version"
    event = INITIAL_EVENTS[initial_state]
    before = None if record is None else record.state
    after = SpecialistRecord(initial_state, now, version)
    return after, Transition(
        now, before, initial_state, event, Cause.VERSION, reason, version.specialist, 0, None
    )


def record_pair(
    record: SpecialistRecord, pair: Pair, rules: Rules, now: float
) -> tuple[SpecialistRecord, Transition | None]:
    """The record after one more pair, and the resulting transition, if any.

    Args:
        record: the specialist's record.
        pair: the new pair.
        rules: the settings of the tests.
        now: Unix seconds.
    """
    evidence = record.evidence.after(pair, rules.margin, rules.point_worth)
    record = replace(record, evidence=evidence)
    decided = next((claim for claim in claims(record, rules) if claim.decided), None)
    if decided is None:
        return record, None
    return _moved(record, decided.event, Cause.EVIDENCE, _reason(decided, rules), rules, now)


def apply_event(
    record: SpecialistRecord, event: Event, reason: str, rules: Rules, now: float
) -> tuple[SpecialistRecord, Transition]:
    """The record after an operator's action, and the transition; works on a pinned one too.

    Args:
        record: the specialist's record.
        event: the operator's action.
        reason: the operator's reason, stored with the transition.
        rules: the settings of the tests.
        now: Unix seconds.

    Raises:
        UnknownTransition: the action is not possible in this state.
    """
    return _moved(record, event, Cause.OPERATOR, reason, rules, now)


def _moved(
    record: SpecialistRecord, event: Event, cause: Cause, reason: str, rules: Rules, now: float
) -> tuple[SpecialistRecord, Transition]:
    after = transition(record.state, event)
    change = Transition(
        time=now,
        before=record.state,
        after=after,
        event=event,
        cause=cause,
        reason=reason,
        version=record.version.specialist,
        pairs=record.evidence.pairs,
        comparison=compare(record.evidence, rules),
    )
    return SpecialistRecord(after, now, record.version, record.pinned), change


def _net_worth(evidence: Evidence, rules: Rules) -> Interval | None:
    net = evidence.net(rules.level)
    if net is None or rules.point_worth is None:
        return None
    grade = POINTS * rules.point_worth
    return Interval(grade * net.mean, grade * net.low, grade * net.high)


def _may_cost_more(evidence: Evidence, rules: Rules) -> bool:
    spent = evidence.cost if rules.point_worth is None else evidence.expense
    cost = spent.interval(rules.level)
    return cost is None or cost.high > 0


def _reason(claim: Claim, rules: Rules) -> str:
    points = f"{POINTS * rules.margin:g} points"
    worse, better = "worse", "better"
    if rules.point_worth is not None:
        worse, better = "worth less", "worth more"
    words = {
        Event.WORSE: f"{worse} than the generalist by more than {points}",
        Event.WORSE_LATELY: f"lately {worse} than the generalist by more than {points}",
        Event.NOT_WORSE: f"not {worse} than the generalist by {points}, and not more expensive",
        Event.BETTER: f"{better} than the generalist",
        Event.HOPELESS: f"still {worse} than the generalist by more than {points}",
    }[claim.event]
    reached, needed = math.exp(min(claim.log_e_value, 700)), math.exp(claim.log_threshold)
    return f"{words}: e-value {reached:.3g} of {needed:.3g}"
