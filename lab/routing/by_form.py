"""How a router does on prompts in each form, those that training held out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lab.routing.destinations import scored, sent
from lab.routing.forms import in_form, wordings
from lab.routing.rows import LabelledRow, query_of
from lab.statistics.interval import Interval, share_interval
from lab.statistics.table import Table
from router.classifier import Classifier
from router.guarantee import Guarantee
from router.policy import Thresholds
from router.types import GENERAL

_ROWS = 300
"""Rows of each form, at most."""


@dataclass(frozen=True, slots=True)
class FormFigures:
    """A router on prompts in one form.

    Attributes:
        form: its name.
        rows: how many.
        recall: share of the specialists' rows that got theirs; None if the form has none.
        routed: rows that a specialist got.
        misrouted: share of these that belong elsewhere.
        wrongly_routed: share of the rows that no specialist should get and one got.
        at_levels: levels of a guarantee, each with the misrouted share at its own threshold; None
            if it has no threshold, or nothing is routed there.
    """

    form: str
    rows: int
    recall: Interval | None
    routed: int
    misrouted: Interval
    wrongly_routed: Interval | None
    at_levels: tuple[tuple[Guarantee, Interval | None], ...] = ()


def figures_by_form(
    classifier: Classifier,
    rows: Sequence[LabelledRow],
    thresholds: Thresholds | None = None,
    levels: Sequence[Guarantee] = (),
) -> tuple[FormFigures, ...]:
    """The figures on rows in each held-out form; plain first.

    Args:
        classifier: rows of domains that it does not know count as `general`.
        rows: held-out rows.
        thresholds: the operator's; the artifact's own by default.
        levels: of guarantees, each of which is looked at with its own threshold.
    """
    drawn = np.random.default_rng(0).permutation(len(rows))
    held_out = wordings(held_out=True)
    found = []
    for form in held_out.forms:
        made = [in_form(rows[index], form, held_out) for index in drawn.tolist()]
        kept = [row for row in made if row is not None][:_ROWS]
        if kept:
            found.append(_figures(form, classifier, kept, thresholds or Thresholds(), levels))
    return tuple(found)


def form_table(figures: Sequence[FormFigures], with_levels: bool = False) -> Table:
    """The figures as a table; a level's column says whether the misrouted share at the level's
    threshold keeps it."""
    levels = [level for level, _ in figures[0].at_levels] if with_levels and figures else []
    titles = (
        *("form", "rows", "recall", "routed", "misrouted", "general rows routed"),
        *(f"at most {level.alpha:g}" for level in levels),
    )
    cells = tuple(
        (
            found.form,
            f"{found.rows:,}",
            _cell(found.recall),
            f"{found.routed:,}",
            _cell(found.misrouted if found.routed else None),
            _cell(found.wrongly_routed),
            *(_kept(*pair) for pair in found.at_levels if with_levels),
        )
        for found in figures
    )
    return Table(titles, cells)


def _kept(level: Guarantee, misrouted: Interval | None) -> str:
    """Whether the interval of the misrouted share lies below the level, above it, or on both
    sides."""
    if misrouted is None:
        return "nothing routed"
    if misrouted.high <= level.alpha:
        return "yes"
    return "no" if misrouted.low > level.alpha else "unclear"


def _figures(
    form: str,
    classifier: Classifier,
    rows: Sequence[LabelledRow],
    thresholds: Thresholds,
    levels: Sequence[Guarantee],
) -> FormFigures:
    scores = scored(classifier, [query_of(row) for row in rows])
    went = sent(scores, classifier.classes_, thresholds)
    known = set(classifier.classes_) - {GENERAL}
    truth = np.array([row.domain if row.domain in known else GENERAL for row in rows])
    routed, belongs = went != GENERAL, truth != GENERAL

    def misrouted_at(level: Guarantee) -> Interval | None:
        own = replace(
            thresholds, min_confidence=level.threshold, infeasible=level.threshold is None
        )
        got = sent(scores, classifier.classes_, own)
        return _misrouted(got, truth) if (got != GENERAL).any() else None

    return FormFigures(
        form=form,
        rows=len(rows),
        recall=share_interval((went == truth)[belongs]) if belongs.any() else None,
        routed=int(routed.sum()),
        misrouted=_misrouted(went, truth),
        wrongly_routed=None if belongs.all() else share_interval(routed[~belongs], "exact"),
        at_levels=tuple((level, misrouted_at(level)) for level in levels),
    )


def _misrouted(went: NDArray[np.str_], truth: NDArray[np.str_]) -> Interval:
    return share_interval((went != truth)[went != GENERAL], "exact")


def _cell(interval: Interval | None) -> str:
    if interval is None:
        return ""
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
