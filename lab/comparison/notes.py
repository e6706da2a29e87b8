"""What else is to be known of a comparison, a sentence each."""

from collections.abc import Iterator, Mapping

from lab.comparison.costs import CostKind
from lab.comparison.figures import Against, Figures
from lab.comparison.lineup import AUTO, ORACLE, SHUFFLE
from lab.comparison.states import Control, QualityState
from lab.comparison.words import percent, points, points_between, seconds, whole
from lab.statistics.bootstrap import Interval

COST_NAMES: Mapping[CostKind, str] = {
    "list": "list price",
    "attributed": "attributed cost",
    "capacity": "capacity cost",
}
_MANY_FAILED = 0.01
_FEW_GROUPS = 30
_MOST_DIFFERENT = 0.11
"""Of the repetitions: of 100 that differ by chance one time in twenty, more are rarer than 1 %."""


def of_terms(figures: Figures, margin: float, quality: QualityState) -> Iterator[str]:
    """What as good means, and how many prompts would tell where these do not."""
    yield (
        f"As good means: not worse by {points(margin, sign='')} points or more; the margin was "
        "fixed before anything was asked."
    )
    if quality == "cannot tell":
        yield (
            f"Too few prompts: {figures.needed_rows:,} would show with probability 0.8 that both "
            f"are alike, if they are; there were {figures.rows:,}."
        )


def of_costs(figures: Figures, main: Against, decided: CostKind | None) -> Iterator[str]:
    """The costs that did not decide: they may say otherwise."""
    for kind, found in main.costs.items():
        if found is None or kind == decided:
            continue
        load = figures.requests_per_hour
        at = f" at {whole(load)} requests an hour" if kind == "capacity" and load else ""
        yield f"By {COST_NAMES[kind]}{at}, routing {saved(found)}."
    if all(cost is None for arm in figures.arms for cost in arm.costs.values()):
        yield "No cost is known; name a file of prices with --prices."
    if figures.retold and decided:
        yield (
            f"On {whole(figures.retold)} of {whole(figures.rows)} prompts the generalist was told "
            "what a specialist knows by itself; those longer prompts are part of its cost."
        )


def saved(found: Interval) -> str:
    """`saves 12.0 % (10.0 % to 14.0 %)`, or what it adds."""
    verb = "saves" if found.value <= 0 else "adds"
    low, high = sorted((abs(found.low), abs(found.high)))
    between = f"{percent(low)} to {percent(high)}"
    if found.low < 0 < found.high:
        between = f"from {percent(-found.low)} less to {percent(found.high)} more"
    return f"{verb} {percent(abs(found.value))} ({between})"


def of_control(figures: Figures, control: Control) -> str:
    """The control: would a mix that does not look at the prompt do as well?"""
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


def of_gap(figures: Figures) -> Iterator[str]:
    """How far it is to perfect routing, and how much of that is gone."""
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


def of_domains(figures: Figures) -> Iterator[str]:
    """Where it is better, alike and worse."""
    if len(figures.domains) < 2:
        return
    named: dict[str, list[str]] = {"wins": [], "ties": [], "loses": []}
    for domain in figures.domains:
        named[domain.outcome].append(domain.domain)
    told = (f"{outcome} {', '.join(names)}" for outcome, names in named.items() if names)
    yield f"By domain, corrected for their number (Holm), auto: {'; '.join(told)}."


def of_latency(main: Against) -> Iterator[str]:
    """What it does to the time that people wait."""
    found = main.latencies.get("seconds")
    if found is None:
        return
    middle = found.p50
    word = "later" if middle.value > 0 else "sooner"
    chance = ", which may be chance" if middle.low <= 0 <= middle.high else ""
    yield f"The median answer is complete {seconds(abs(middle.value))} {word}{chance}."


def of_cautions(figures: Figures) -> Iterator[str]:
    """What makes the figures less than they look."""
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
    same = figures.sameness
    differed = same.repetitions - same.without_difference if same else 0
    if same is not None and differed > _MOST_DIFFERENT * same.repetitions:
        yield (
            f"The generalist against itself differed in {differed} of {same.repetitions} "
            "repetitions, far more than the 5 % allowed: do not trust the intervals."
        )
