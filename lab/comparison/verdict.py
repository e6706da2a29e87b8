"""The verdict: one line for readers without statistics, and notes that explain it.

Two questions make the verdict. Quality: is `auto` better than the generalist, as good (not worse by
the margin), worse, or is it inconclusive? Cost: is it cheaper, more expensive, or neither? A third
is the control: would a mix of the same models that ignores the prompt do as well?
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from lab.comparison.costs import COST_KINDS, CostKind
from lab.comparison.experiment import AUTO, GENERALIST, ORACLE, SHUFFLE
from lab.comparison.figures import Figures, PairFigures
from lab.comparison.formatting import percent, points, points_between, seconds, whole
from lab.statistics.interval import Interval
from lab.statistics.paired import Paired

QualityState = Literal["better", "as good", "worse", "inconclusive"]
CostState = Literal["cheaper", "same", "more expensive", "unknown"]
Control = Literal["content matters", "adds nothing", "worse than a mix", "inconclusive", "unknown"]

_KINDS: Mapping[tuple[QualityState, CostState], str] = {
    ("better", "cheaper"): "Better and cheaper",
    ("better", "same"): "Better at the same cost",
    ("better", "more expensive"): "Better and more expensive",
    ("better", "unknown"): "Better; cost unknown",
    ("as good", "cheaper"): "As good and cheaper",
    ("as good", "same"): "As good, and not cheaper",
    ("as good", "more expensive"): "As good and more expensive",
    ("as good", "unknown"): "As good; cost unknown",
    ("worse", "cheaper"): "Cheaper but worse",
    ("worse", "same"): "Worse, and not cheaper",
    ("worse", "more expensive"): "Worse and more expensive",
    ("worse", "unknown"): "Worse; cost unknown",
    ("inconclusive", "cheaper"): "Cheaper; quality inconclusive",
    ("inconclusive", "same"): "Not cheaper; quality inconclusive",
    ("inconclusive", "more expensive"): "More expensive; quality inconclusive",
    ("inconclusive", "unknown"): "Quality inconclusive; cost unknown",
}
_GOOD = frozenset({"Better and cheaper", "As good and cheaper", "Better at the same cost"})

COST_NAMES: Mapping[CostKind, str] = {
    "list": "list price",
    "attributed": "attributed cost",
    "capacity": "capacity cost",
}
_MANY_FAILED = 0.01
_FEW_GROUPS = 30
_MOST_DIFFERENT = 0.11
"""The largest share of A/A repetitions with a difference: at a rate of 5 %, more than 11 of 100
have a probability below 1 %."""


@dataclass(frozen=True)
class Verdict:
    """The verdict.

    Attributes:
        kind: two or three words; one of a closed set.
        good: whether routing pays.
        line: kind, savings, quality, and how sure they are, in one sentence.
        notes: further sentences; the control first.
        quality, cost, control: the answers to its three questions.
        cost_kind: the cost that decided; None if none is known.
    """

    kind: str
    good: bool
    line: str
    notes: tuple[str, ...]
    quality: QualityState
    cost: CostState
    control: Control
    cost_kind: CostKind | None


def verdict(figures: Figures, margin: float, wanted: CostKind | None = None) -> Verdict:
    """The verdict of figures that compare `auto` with the generalist.

    Args:
        figures: the figures.
        margin: the margin, fixed before the first request.
        wanted: the cost that decides; None: the first known one.
    """
    main = figures.pair(AUTO, GENERALIST)
    if main is None:
        raise ValueError("the figures do not compare auto with the generalist")
    kind = wanted or next((cost for cost in COST_KINDS if main.costs[cost] is not None), None)
    saving = main.costs[kind] if kind else None
    mix = figures.pair(AUTO, SHUFFLE)
    states = quality_state(main.quality, margin), cost_state(saving)
    control = control_state(mix.quality if mix else None, margin)
    title = _KINDS[states]
    saved = f"{_saved(saving)} of the {COST_NAMES[kind]}" if kind and saving else None
    found = Verdict(
        kind=title,
        good=title in _GOOD and control not in ("adds nothing", "worse than a mix"),
        line=f"{title}: {_line(figures, main.quality, saved, control)}",
        notes=(),
        quality=states[0],
        cost=states[1],
        control=control,
        cost_kind=kind,
    )
    return replace(found, notes=tuple(_notes(figures, main, margin, found)))


def quality_state(found: Paired, margin: float) -> QualityState:
    """Compares the first arm's quality with the second's."""
    if found.outcome == "wins":
        return "better"
    if found.non_inferior(margin):
        return "as good"
    return "worse" if found.outcome == "loses" else "inconclusive"


def cost_state(found: Interval | None) -> CostState:
    """Compares the first arm's cost with the second's."""
    if found is None:
        return "unknown"
    if found.low <= 0 <= found.high:
        return "same"
    return "cheaper" if found.high < 0 else "more expensive"


def control_state(found: Paired | None, margin: float) -> Control:
    """Compares `auto` with a mix of the same models that ignores the prompt."""
    if found is None:
        return "unknown"
    if found.outcome == "wins":
        return "content matters"
    if found.outcome == "loses":
        return "worse than a mix"
    return "adds nothing" if found.difference.high < margin else "inconclusive"


def _line(figures: Figures, found: Paired, saving: str | None, control: Control) -> str:
    difference = found.difference
    word = "higher" if difference.value >= 0 else "lower"
    size = points(abs(difference.value), sign="")
    gains = f"quality {size} points {word} ({points_between(difference)})"
    main = f"routing {saving}, with {gains}" if saving else f"with routing {gains}"
    as_mix = {"adds nothing": "as well", "worse than a mix": "better"}.get(control)
    mix = f"; a mix of the same models that ignores the prompt does {as_mix}"
    return f"{main}; 95 % intervals, {figures.rows:,} prompts{mix if as_mix else ''}."


def _notes(figures: Figures, main: PairFigures, margin: float, found: Verdict) -> Iterator[str]:
    yield _of_control(figures, found.control)
    yield from _of_margin(figures, margin, found.quality)
    yield from _of_costs(figures, main, found.cost_kind)
    yield from _of_gap(figures)
    yield from _of_domains(figures)
    yield from _of_latency(main)
    yield from _cautions(figures)


def _of_control(figures: Figures, control: Control) -> str:
    mix = figures.pair(AUTO, SHUFFLE)
    if mix is None:
        return (
            "Unknown: whether a mix that ignores the prompt would do as well. The answers do not "
            "name the models that gave them."
        )
    found = mix.quality.difference
    size = f"{points(found.value)} points ({points_between(found)})"
    return {
        "content matters": f"Reading the prompt pays: {size} over a mix of the same models at the "
        "same shares that ignores it.",
        "adds nothing": f"Routing adds nothing over a mix: {size} over the same models at the "
        "same shares, assigned at random.",
        "worse than a mix": f"Routing is worse than chance: {size} against the same models at the "
        "same shares, assigned at random.",
    }.get(
        control,
        f"Inconclusive: whether routing adds anything over a random mix of its models: {size}.",
    )


def _of_margin(figures: Figures, margin: float, quality: QualityState) -> Iterator[str]:
    yield (
        f"As good means: not worse by {points(margin, sign='')} points or more; the margin was "
        "fixed before the first request."
    )
    if quality == "inconclusive":
        yield (
            f"Too few prompts: {figures.needed_rows:,} would show with probability 0.8 that both "
            f"are alike, if they are; there were {figures.rows:,}."
        )


def _of_costs(figures: Figures, main: PairFigures, decided: CostKind | None) -> Iterator[str]:
    """Notes on the other costs, which may disagree."""
    for kind, found in main.costs.items():
        if found is None or kind == decided:
            continue
        load = figures.requests_per_hour
        at = f" at {whole(load)} requests an hour" if kind == "capacity" and load else ""
        yield f"By {COST_NAMES[kind]}{at}, routing {_saved(found)}."
    if all(cost is None for arm in figures.arms for cost in arm.costs.values()):
        yield "No cost is known; name a file of prices with --prices."
    if figures.rephrased and decided:
        yield (
            f"On {whole(figures.rephrased)} of {whole(figures.rows)} prompts the generalist got "
            "instructions that a specialist does without; those longer prompts are part of its "
            "cost."
        )


def _saved(found: Interval) -> str:
    """`saves 12.0 % (10.0 % to 14.0 %)`, or `adds ...`."""
    verb = "saves" if found.value <= 0 else "adds"
    low, high = sorted((abs(found.low), abs(found.high)))
    between = f"{percent(low)} to {percent(high)}"
    if found.low < 0 < found.high:
        between = f"from {percent(-found.low)} less to {percent(found.high)} more"
    return f"{verb} {percent(abs(found.value))} ({between})"


def _of_gap(figures: Figures) -> Iterator[str]:
    """The gap to perfect routing, and the share that is closed."""
    if figures.gap is None:
        return
    width, closed = figures.gap.width, figures.gap.closed
    if closed is None:
        yield (
            "Perfect routing by domain is not shown to be better than the generalist "
            f"({points(width.value)} points, {points_between(width)})."
        )
        return
    yield (
        f"Perfect routing by domain would gain {points(width.value)} points over the generalist; "
        f"auto reaches {percent(closed.value)} of that ({percent(closed.low)} to "
        f"{percent(closed.high)})."
    )


def _of_domains(figures: Figures) -> Iterator[str]:
    if len(figures.domains) < 2:
        return
    named: dict[str, list[str]] = {"wins": [], "ties": [], "loses": []}
    for domain in figures.domains:
        named[domain.outcome].append(domain.domain)
    parts = (f"{outcome} {', '.join(names)}" for outcome, names in named.items() if names)
    yield f"By domain, corrected for their number (Holm), auto: {'; '.join(parts)}."


def _of_latency(main: PairFigures) -> Iterator[str]:
    found = main.latencies.get("seconds")
    if found is None:
        return
    middle = found.p50
    word = "later" if middle.value > 0 else "sooner"
    chance = ", which may be chance" if middle.low <= 0 <= middle.high else ""
    yield f"The median answer is complete {seconds(abs(middle.value))} {word}{chance}."


def _cautions(figures: Figures) -> Iterator[str]:
    """Warnings that weaken the figures."""
    for arm in figures.arms:
        if arm.name != ORACLE and arm.failed > _MANY_FAILED * figures.rows:
            yield (
                f"{whole(arm.failed)} of {whole(figures.rows)} requests of {arm.name} failed and "
                "count as wrong."
            )
    asked, unreadable = figures.judgements
    if unreadable:
        yield (
            f"{whole(unreadable)} of the judge's {whole(asked)} replies have no verdict that can "
            "be read; the prompts they are about are left out."
        )
    if figures.groups < _FEW_GROUPS:
        yield f"Only {figures.groups} independent prompts: intervals of so few are rough."
    auto = figures.arm(AUTO)
    if auto is not None and len(auto.models) == 1:
        yield f"auto sent everything to {next(iter(auto.models))}: nothing was routed."
    same = figures.aa_test
    differed = same.repetitions - same.without_difference if same else 0
    if same is not None and differed > _MOST_DIFFERENT * same.repetitions:
        yield (
            f"A/A test failed: the generalist against itself differed in {differed} of "
            f"{same.repetitions} repetitions, far more than the 5 % allowed. Do not trust the "
            "intervals."
        )
