"""What live selection would make of a comparison's own pairs: the prompts that `auto` sent to a
specialist, which the generalist answered too. Pure.

The pairs of a specialist come in the order of the prompts, each once. Live, the generalist gets the
user's own prompt; here it gets the one that was written for it, which favours it.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from lab.comparison.experiment import AUTO, GENERALIST
from lab.comparison.figures import SelectionFigures
from lab.comparison.sample import Arm, Floats, Sample
from lab.statistics.interval import Interval
from router.config import SelectionConfig
from router.selection import moments
from router.selection.evidence import Pair
from router.selection.lifecycle import State
from router.selection.record import (
    Rules,
    SpecialistRecord,
    Transition,
    Version,
    compare,
    record_pair,
)


def selected(sample: Sample, settings: SelectionConfig) -> tuple[SelectionFigures, ...]:
    """What selection makes of each specialist that answered for `auto`, by name."""
    general = set(sample.arms[GENERALIST].models)
    names = sorted({of for of in sample.arms[AUTO].models if of is not None} - general)
    rules = Rules(settings, max(1, len(names)))
    return tuple(_selected(name, list(_pairs(sample, name)), rules) for name in names)


def _selected(name: str, pairs: list[Pair], rules: Rules) -> SelectionFigures:
    record = SpecialistRecord(State.ACTIVE, 0.0, Version(name, GENERALIST))
    pinned = replace(record, pinned=True)  # keeps the evidence of all pairs
    first: Transition | None = None
    for number, pair in enumerate(pairs):
        pinned, _ = record_pair(pinned, pair, rules, float(number))
        if first is None:
            record, first = record_pair(record, pair, rules, float(number))
    found = compare(pinned.evidence, rules)
    return SelectionFigures(
        specialist=name,
        pairs=len(pairs),
        quality=None if found is None else _interval(found.quality),
        expense=None if found is None or found.expense is None else _interval(found.expense),
        demoted_after=None if first is None else first.pairs,
        why=None if first is None else first.reason,
    )


def _pairs(sample: Sample, specialist: str) -> Iterator[Pair]:
    auto, generalist = sample.arms[AUTO], sample.arms[GENERALIST]
    costs = [_expense(arm) for arm in (auto, generalist)]
    for place, model in enumerate(auto.models):
        if model == specialist and not (auto.failed[place] or generalist.failed[place]):
            expense = float(costs[0][place] - costs[1][place])
            yield Pair(
                float(auto.quality[place]),
                float(generalist.quality[place]),
                expense=expense if np.isfinite(expense) else 0.0,
            )


def _expense(arm: Arm) -> Floats:
    """As the gateway counts it: the time of the machine if that has a price, else list price."""
    priced = np.nan_to_num(arm.attributed_cost) > 0
    return np.where(priced, arm.attributed_cost, arm.list_cost)


def _interval(of: moments.Interval) -> Interval:
    return Interval(of.mean, of.low, of.high)
