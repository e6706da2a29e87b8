"""What it comes to: a line that can be read without statistics, and the sentences behind it.

Two questions make the verdict. Quality: is `auto` better than the generalist, as good (not worse
by the margin), worse, or cannot it be told? Cost: is it cheaper, dearer, or neither? A third stands
beside it: does knowing the content matter, or would a mix of the same models do as well?
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from lab.comparison.costs import COST_KINDS, CostKind
from lab.comparison.figures import Against, Figures
from lab.comparison.lineup import AUTO, GENERALIST, SHUFFLE
from lab.comparison.notes import (
    COST_NAMES,
    of_cautions,
    of_control,
    of_costs,
    of_domains,
    of_gap,
    of_latency,
    of_terms,
    saved,
)
from lab.comparison.states import (
    Control,
    CostState,
    QualityState,
    control_state,
    cost_state,
    quality_state,
)
from lab.comparison.words import points, points_between
from lab.statistics.paired import Paired

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
    told = f"{saved(saving)} of the {COST_NAMES[kind]}" if kind and saving else None
    found = Verdict(
        kind=title,
        good=title in _GOOD and control not in ("adds nothing", "worse than a mix"),
        line=f"{title}: {_line(figures, main.quality, told, control)}",
        notes=(),
        quality=states[0],
        cost=states[1],
        control=control,
        cost_kind=kind,
    )
    return replace(found, notes=tuple(_notes(figures, main, margin, found)))


def _line(figures: Figures, found: Paired, saving: str | None, control: Control) -> str:
    difference = found.difference
    word = "higher" if difference.value >= 0 else "lower"
    size = points(abs(difference.value), sign="")
    gains = f"quality {size} points {word} ({points_between(difference)})"
    told = f"routing {saving}, with {gains}" if saving else f"with routing {gains}"
    as_mix = {"adds nothing": "as well", "worse than a mix": "better"}.get(control)
    mix = f"; a mix of the same models that does not look at the prompt does {as_mix}"
    return f"{told}; 95 % intervals, {figures.rows:,} prompts{mix if as_mix else ''}."


def _notes(figures: Figures, main: Against, margin: float, found: Verdict) -> Iterator[str]:
    yield of_control(figures, found.control)
    yield from of_terms(figures, margin, found.quality)
    yield from of_costs(figures, main, found.cost_kind)
    yield from of_gap(figures)
    yield from of_domains(figures)
    yield from of_latency(main)
    yield from of_cautions(figures)
