"""Where a specialist stands: its state, the evidence in that state, and what moves it on.

Rule: each visit to a state begins without evidence. A specialist whose quality is no worse than the
generalist's less the margin is ever moved to probation by `worse` with a probability of at most
alpha over all specialists together, and by `worse_lately` once in `pairs_per_false_alarm` pairs on
average; one that is worse ever becomes active by `not_worse` or `better` with alpha at most. Pure:
time is passed in.
"""

import math
from dataclasses import dataclass, field, replace

from router.config import SelectionConfig
from router.selection.evidence import Evidence, Pair
from router.selection.lifecycle import BEGINNINGS, TESTED, Cause, Event, State, can, transition
from router.selection.moments import Interval


@dataclass(frozen=True, slots=True)
class Rules:
    """What the tests are set to, and how many specialists there are: they share alpha."""

    selection: SelectionConfig
    specialists: int

    @property
    def margin(self) -> float:
        """How much less quality counts as no worse."""
        return self.selection.margin

    @property
    def level(self) -> float:
        """Each specialist's part of alpha."""
        return self.selection.alpha / self.specialists

    def log_threshold(self, event: Event) -> float:
        """What the logarithm of an e-value has to reach."""
        settings = self.selection
        if event is Event.WORSE_LATELY:
            return math.log(settings.pairs_per_false_alarm * self.specialists)
        alpha = settings.retire_alpha if event is Event.HOPELESS else settings.alpha
        return math.log(self.specialists / alpha)


@dataclass(frozen=True, slots=True)
class Version:
    """What evidence is about, as fingerprints: it ends when either changes.

    `baseline` stands for the generalist and for how answers are graded and tested.
    """

    specialist: str
    baseline: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A specialist's state, since when (Unix seconds), and the evidence since then.

    A pinned one is moved by the operator alone.
    """

    state: State
    since: float
    version: Version
    pinned: bool = False
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Specialist less generalist, on average, each with its interval."""

    quality: Interval
    latency_seconds: Interval | None
    cost: Interval | None


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state, and what was known then; `before` is None for a specialist's first."""

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
    """What is tested, and how it stands: logarithms of its e-value and of what that has to reach.

    `in_force` says that it can move the specialist out of its state.
    """

    event: Event
    log_e_value: float
    log_threshold: float
    in_force: bool

    @property
    def decided(self) -> bool:
        """Whether it moves the specialist."""
        return self.in_force and self.log_e_value >= self.log_threshold


def claims(standing: Standing, rules: Rules) -> tuple[Claim, ...]:
    """Every claim, in the order of `TESTED`."""
    values = standing.evidence.e_values(rules.margin)
    dearer = not _no_dearer(standing.evidence, rules)
    found = (values.worse, values.worse_lately, values.not_worse, values.better, values.worse)
    return tuple(
        Claim(
            event,
            value,
            rules.log_threshold(event),
            not standing.pinned
            and can(standing.state, event)
            and not (event is Event.NOT_WORSE and dearer),
        )
        for event, value in zip(TESTED, found, strict=True)
    )


def compared(evidence: Evidence, rules: Rules) -> Comparison | None:
    """What is known, at each specialist's part of alpha; None where there is no pair."""
    quality = evidence.quality(rules.level)
    if quality is None:
        return None
    return Comparison(
        quality,
        evidence.latency_seconds.interval(rules.level),
        evidence.cost.interval(rules.level),
    )


def enrolled(
    standing: Standing | None, version: Version, begin: State, now: float
) -> tuple[Standing, Transition | None]:
    """The standing of a specialist as it is now configured.

    A new specialist begins as it is declared to, and so does a new version of one. Evidence about
    another version is dropped; a pinned one keeps its state.

    Args:
        standing: as it was left; None: there is none yet.
        version: what is configured now.
        begin: candidate, shadow or active.
        now: Unix seconds.
    """
    if standing is not None and standing.version == version:
        return standing, None
    if standing is not None and standing.pinned:
        return replace(standing, version=version, evidence=Evidence()), None
    if standing is not None and standing.version.specialist == version.specialist:
        return replace(standing, version=version, evidence=Evidence()), None
    reason = "new here" if standing is None else "a new version"
    event = BEGINNINGS[begin]
    before = None if standing is None else standing.state
    after = Standing(begin, now, version)
    return after, Transition(
        now, before, begin, event, Cause.VERSION, reason, version.specialist, 0, None
    )


def observed(
    standing: Standing, pair: Pair, rules: Rules, now: float
) -> tuple[Standing, Transition | None]:
    """The standing after one pair more, and the transition that this brings about, if any."""
    evidence = standing.evidence.after(pair, rules.margin)
    standing = replace(standing, evidence=evidence)
    decided = next((claim for claim in claims(standing, rules) if claim.decided), None)
    if decided is None:
        return standing, None
    return _moved(standing, decided.event, Cause.EVIDENCE, _words(decided, rules), rules, now)


def moved(
    standing: Standing, event: Event, reason: str, rules: Rules, now: float
) -> tuple[Standing, Transition]:
    """The standing after an order of the operator, whom a pin does not stop.

    Raises:
        UnknownTransition: the order makes no sense in this state.
    """
    return _moved(standing, event, Cause.OPERATOR, reason, rules, now)


def _moved(
    standing: Standing, event: Event, cause: Cause, reason: str, rules: Rules, now: float
) -> tuple[Standing, Transition]:
    after = transition(standing.state, event)
    record = Transition(
        time=now,
        before=standing.state,
        after=after,
        event=event,
        cause=cause,
        reason=reason,
        version=standing.version.specialist,
        pairs=standing.evidence.pairs,
        comparison=compared(standing.evidence, rules),
    )
    return Standing(after, now, standing.version, standing.pinned), record


def _no_dearer(evidence: Evidence, rules: Rules) -> bool:
    cost = evidence.cost.interval(rules.level)
    return cost is not None and cost.high <= 0


def _words(claim: Claim, rules: Rules) -> str:
    points = f"{100 * rules.margin:g} points"
    words = {
        Event.WORSE: f"worse than the generalist by more than {points}",
        Event.WORSE_LATELY: f"lately worse than the generalist by more than {points}",
        Event.NOT_WORSE: f"not worse than the generalist by {points}, and not dearer",
        Event.BETTER: "better than the generalist",
        Event.HOPELESS: f"still worse than the generalist by more than {points}",
    }[claim.event]
    reached, needed = math.exp(min(claim.log_e_value, 700)), math.exp(claim.log_threshold)
    return f"{words}: e-value {reached:.3g} of {needed:.3g}"
