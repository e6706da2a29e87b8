"""What it comes to: a line that can be read without statistics, and the sentences behind it.

Two questions make the verdict. Quality: is `auto` better than the generalist, as good (not worse
by the margin), worse, or cannot it be told? Cost: is it cheaper, dearer, or neither? A third stands
beside it: does knowing the content matter, or would a mix of the same models do as well?
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from deployments.graders.bootstrap import Interval
from loadtests.comparison.costs import COST_KINDS, CostKind
from loadtests.comparison.figures import Against, Figures
from loadtests.comparison.lineup import AUTO, GENERALIST, ORACLE, SHUFFLE
from loadtests.comparison.statistics.paired import Paired
from loadtests.comparison.words import percent, points, points_between, seconds, whole

__all__ = [
    "Control",
    "CostState",
    "QualityState",
    "Verdict",
    "cost_state",
    "control_state",
    "quality_state",
    "verdict",
]

QualityState = Literal["better", "as good", "worse", "cannot tell"]
CostState = Literal["cheaper", "same", "dearer", "unknown"]
Control = Literal["content pays", "adds nothing", "worse than a mix", "cannot tell", "unknown"]

_KINDS: Mapping[tuple[QualityState, CostState], str] = {
    ("better", "cheaper"): "Better and cheaper",
    ("better", "same"): "Better, at no other cost",
    ("better", "dearer"): "Better and dearer",
    ("better", "unknown"): "Better; the cost is not known",
    ("as good", "cheaper"): "As good and cheaper",
    ("as good", "same"): "As good, and not cheaper",
    ("as good", "dearer"): "As good and dearer",
    ("as good", "unknown"): "As good; the cost is not known",
    ("worse", "cheaper"): "Cheaper but worse",
    ("worse", "same"): "Worse, and not cheaper",
    ("worse", "dearer"): "Worse and dearer",
    ("worse", "unknown"): "Worse; the cost is not known",
    ("cannot tell", "cheaper"): "Cheaper; quality cannot be told",
    ("cannot tell", "same"): "Not cheaper; quality cannot be told",
    ("cannot tell", "dearer"): "Dearer; quality cannot be told",
    ("cannot tell", "unknown"): "Quality cannot be told; the cost is not known",
}
_GOOD = frozenset({"Better and cheaper", "As good and cheaper", "Better, at no other cost"})
_COST_NAMES: Mapping[CostKind, str] = {
    "list": "list price",
    "attributed": "attributed cost",
    "capacity": "capacity cost",
}
_MANY_FAILED = 0.01
_FEW_GROUPS = 30
_MOST_DIFFERENT = 0.11
"""Of the repetitions: of 100 that differ by chance one time in twenty, more are rarer than 1 %."""


@dataclass(frozen=True)
class Verdict:
    """The verdict.

    Attributes:
        kind: two or three words; one of a closed set.
        good: whether routing pays, by it.
        line: the first line of everything: kind, savings, quality, and how sure.
        notes: what else is to be known, a sentence each; the control first.
        quality, cost, control: the answers that it is made of.
        cost_kind: the cost that decided; None where none is known.
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
        figures: all of them.
        margin: fixed before anything was asked.
        wanted: the cost that decides; None: the first of the three that is known.
    """
    main = figures.beside(AUTO, GENERALIST)
    if main is None:
        raise ValueError("the figures do not compare auto with the generalist")
    kind = wanted or next((of for of in COST_KINDS if main.costs[of] is not None), None)
    saving = main.costs[kind] if kind else None
    mix = figures.beside(AUTO, SHUFFLE)
    states = quality_state(main.quality, margin), cost_state(saving)
    control = control_state(mix.quality if mix else None, margin)
    title = _KINDS[states]
    line = f"{title}: {_sentence(main.quality, saving, kind)}, {figures.rows:,} prompts"
    if control == "adds nothing":
        line += "; and so does a mix of the same models that does not look at the prompt"
    return Verdict(
        kind=title,
        good=title in _GOOD and control not in ("adds nothing", "worse than a mix"),
        line=f"{line}.",
        notes=tuple(_notes(figures, main, margin, states[0], control)),
        quality=states[0],
        cost=states[1],
        control=control,
        cost_kind=kind,
    )


def quality_state(found: Paired, margin: float) -> QualityState:
    """How the first arm's quality stands to the second's."""
    if found.outcome == "wins":
        return "better"
    if found.kept(margin):
        return "as good"
    return "worse" if found.outcome == "loses" else "cannot tell"


def cost_state(found: Interval | None) -> CostState:
    """How the first arm's cost stands to the second's."""
    if found is None:
        return "unknown"
    if found.low <= 0 <= found.high:
        return "same"
    return "cheaper" if found.high < 0 else "dearer"


def control_state(found: Paired | None, margin: float) -> Control:
    """What `auto` has over a content-blind mix of the same models."""
    if found is None:
        return "unknown"
    if found.outcome == "wins":
        return "content pays"
    if found.outcome == "loses":
        return "worse than a mix"
    return "adds nothing" if found.difference.high < margin else "cannot tell"


def _sentence(quality: Paired, saving: Interval | None, kind: CostKind | None) -> str:
    difference = quality.difference
    word = "higher" if difference.value >= 0 else "lower"
    gains = (
        f"quality {points(abs(difference.value), sign='')} points {word} "
        f"({points_between(difference)})"
    )
    if saving is None or kind is None:
        return f"with routing {gains}; 95 % interval"
    verb = "saves" if saving.value <= 0 else "adds"
    low, high = sorted((abs(saving.low), abs(saving.high)))
    between = f"{percent(low)} to {percent(high)}"
    if saving.low < 0 < saving.high:
        between = f"from {percent(-saving.low)} less to {percent(saving.high)} more"
    return (
        f"routing {verb} {percent(abs(saving.value))} of the {_COST_NAMES[kind]} ({between}), with "
        f"{gains}; 95 % intervals"
    )


def _notes(
    figures: Figures, main: Against, margin: float, quality: QualityState, control: Control
) -> Iterator[str]:
    yield _of_control(figures, control)
    yield (
        f"As good means: not worse by {points(margin, sign='')} points or more; the margin was "
        "fixed before anything was asked."
    )
    if quality == "cannot tell":
        yield (
            f"Too few prompts: {figures.needed_rows:,} would show with probability 0.8 that both "
            f"are alike, if they are; there were {figures.rows:,}."
        )
    yield from _of_gap(figures)
    yield from _of_domains(figures)
    yield from _of_latency(main)
    yield from _cautions(figures)


def _of_control(figures: Figures, control: Control) -> str:
    mix = figures.beside(AUTO, SHUFFLE)
    if mix is None:
        return (
            "Whether a mix that does not look at the prompt would do as well is not known: the "
            "answers do not tell which model gave them."
        )
    found = mix.quality.difference
    size = f"{points(found.value)} points ({points_between(found)})"
    return {
        "content pays": f"Looking at the prompt pays: {size} over a mix of the same models at the "
        "same shares that does not.",
        "adds nothing": f"Routing adds nothing over a mix: {size} over the same models at the "
        "same shares, dealt without a look at the prompt.",
        "worse than a mix": f"Routing is worse than chance: {size} beside the same models at the "
        "same shares, dealt without a look at the prompt.",
    }.get(
        control,
        f"Whether routing adds anything over a mix of the same models cannot be told: {size}.",
    )


def _of_gap(figures: Figures) -> Iterator[str]:
    if figures.gap is None:
        return
    if figures.gap.closed is None:
        yield (
            "Perfect routing by domain is not shown to be better than the generalist "
            f"({points(figures.gap.width.value)} points, {points_between(figures.gap.width)})."
        )
        return
    closed = figures.gap.closed
    yield (
        f"Of the way from the generalist to perfect routing by domain "
        f"({points(figures.gap.width.value)} points) it goes {percent(closed.value)} "
        f"({percent(closed.low)} to {percent(closed.high)})."
    )


def _of_domains(figures: Figures) -> Iterator[str]:
    if len(figures.domains) < 2:
        return
    named: dict[str, list[str]] = {"wins": [], "ties": [], "loses": []}
    for domain in figures.domains:
        named[domain.outcome].append(domain.domain)
    told = (f"{outcome} {', '.join(names)}" for outcome, names in named.items() if names)
    yield f"By domain, corrected for their number (Holm), auto: {'; '.join(told)}."


def _of_latency(main: Against) -> Iterator[str]:
    found = main.latencies.get("seconds")
    if found is None:
        return
    middle = found.p50
    word = "later" if middle.value > 0 else "sooner"
    chance = ", which may be chance" if middle.low <= 0 <= middle.high else ""
    yield f"The median answer is complete {seconds(abs(middle.value))} {word}{chance}."


def _cautions(figures: Figures) -> Iterator[str]:
    for arm in figures.arms:
        if arm.name != ORACLE and arm.failed > _MANY_FAILED * figures.rows:
            yield (
                f"{whole(arm.failed)} of {whole(figures.rows)} requests of {arm.name} failed and "
                "count as wrong."
            )
    if figures.groups < _FEW_GROUPS:
        yield f"Only {figures.groups} independent prompts: intervals of so few are rough."
    auto = figures.arm(AUTO)
    if auto is not None and len(auto.models) == 1:
        yield f"auto sent everything to {next(iter(auto.models))}: nothing was routed."
    same = figures.sameness
    differed = same.repetitions - same.without_difference if same else 0
    if same is not None and differed > _MOST_DIFFERENT * same.repetitions:
        yield (
            f"The generalist against itself differed in {differed} of {same.repetitions} "
            "repetitions, far more than the 5 % allowed: do not trust the intervals."
        )
    if all(cost is None for arm in figures.arms for cost in arm.costs.values()):
        yield "No cost is known; name a file of prices with --prices."
