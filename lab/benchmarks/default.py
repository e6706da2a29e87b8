"""The default router on its own test rows: accuracy, calibration and robustness to typos.

A perturbed prompt keeps its meaning. A flip is a changed destination: the generalist instead of a
specialist, the reverse, or another specialist.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.benchmarks.figures import Bar, Figure, Result, macro_f1
from lab.benchmarks.perturb import PERTURBATIONS, Perturbation
from lab.routing.metrics import calibration_error
from lab.routing.rows import LabelledRow, separate
from lab.routing.train import TrainConfig
from lab.statistics.bootstrap import bootstrap
from lab.statistics.table import Table
from router.classifier import Classifier, TextEncoder
from router.policy import Thresholds, decide
from router.types import GENERAL, Query, Scores

Progress = Callable[[str], object]

_FLIP_BAR = Bar(0.02, at_most=True)


@dataclass(frozen=True, slots=True, eq=False)
class Flips:
    """The effect of one kind of change on the prompts that it changes.

    Attributes:
        perturbation: the change.
        rows: indices of these prompts, shape (m,).
        before: the destination of each, shape (m,).
        after: the destination of the changed prompt.
        truth: the label.
    """

    perturbation: Perturbation
    rows: NDArray[np.int64]
    before: NDArray[np.str_]
    after: NDArray[np.str_]
    truth: NDArray[np.str_]

    @property
    def flipped(self) -> NDArray[np.bool_]:
        """Which prompts changed their destination."""
        return np.asarray(self.before != self.after)

    @property
    def rate(self) -> float:
        """The share of flips; NaN if the change applies to no prompt."""
        return float(self.flipped.mean()) if len(self.rows) else float("nan")

    def counts(self) -> tuple[int, int, int, int]:
        """Flips from right to wrong, from wrong to right, from wrong to wrong, and between
        specialists."""
        was = (self.before == self.truth)[self.flipped]
        now = (self.after == self.truth)[self.flipped]
        between = (self.before != GENERAL) & (self.after != GENERAL) & self.flipped
        return (
            int((was & ~now).sum()),
            int((~was & now).sum()),
            int((~was & ~now).sum()),
            int(between.sum()),
        )


def default(
    rows: Sequence[LabelledRow], classifier: Classifier, progress: Progress = lambda _: None
) -> Result:
    """Macro-F1, calibration error and flips of the router on its test rows.

    Args:
        rows: test rows, as `own_test_rows` gives them.
        classifier: the router's classifier, with its thresholds.
        progress: called on each step.
    """
    classes = tuple(classifier.classes_)
    scores = classifier.scores([Query(text=row.text) for row in rows])
    found = np.array([[s.probabilities[name] for name in classes] for s in scores])
    truth = np.array([classes.index(row.domain) for row in rows])
    chosen = found.argmax(axis=1)
    groups = [row.group for row in rows]
    changed = flips(rows, classifier, progress)
    return Result(
        "default",
        (
            Figure(
                "macro-F1",
                macro_f1(truth, chosen),
                bootstrap(lambda at: macro_f1(truth[at], chosen[at]), groups),
                Bar(0.97),
            ),
            Figure(
                "ECE",
                calibration_error(found, truth),
                bootstrap(lambda at: calibration_error(found[at], truth[at]), groups),
                Bar(0.02, at_most=True),
            ),
            *(_rate(family, changed, groups) for family in ("typo", "paraphrase")),
            _rate("right to wrong, typo or paraphrase", changed, groups),
        ),
        (f"{len(rows)} test rows; intervals from a bootstrap over their groups.",),
        (_table(changed),),
    )


def own_test_rows(rows: Sequence[LabelledRow], encoder: TextEncoder) -> list[LabelledRow]:
    """The rows that a training on `rows` uses as its test rows."""
    vectors = encoder.encode([row.text.strip() for row in rows]).vectors
    return [rows[at] for at in separate(rows, vectors, TrainConfig().near_duplicate).test]


def flips(
    rows: Sequence[LabelledRow], classifier: Classifier, progress: Progress = lambda _: None
) -> list[Flips]:
    """The effect of each perturbation on the destinations of the rows."""
    before = destinations(classifier, [row.text for row in rows])
    truth = np.array([row.domain for row in rows])
    found = []
    for perturbation in PERTURBATIONS:
        texts = [perturbation.apply(row.text) for row in rows]
        touched = np.flatnonzero([text != row.text for text, row in zip(texts, rows, strict=True)])
        after = destinations(classifier, [texts[at] for at in touched])
        found.append(Flips(perturbation, touched, before[touched], after, truth[touched]))
        progress(f"{perturbation.name}: {found[-1].rate:.4f} of {len(touched)} flip")
    return found


def destinations(classifier: Classifier, texts: Sequence[str]) -> NDArray[np.str_]:
    """The domain whose specialist gets each text, or `general`, with the artifact's thresholds."""
    table = {domain: (domain,) for domain in classifier.classes_ if domain != GENERAL}

    def went(scores: Scores) -> str:
        return decide(scores, table, GENERAL, lambda _: True, Thresholds()).candidates[0]

    found = classifier.scores([Query(text=text) for text in texts])
    return np.array([went(scores) for scores in found], np.str_)


def _rate(name: str, changed: Sequence[Flips], groups: Sequence[str]) -> Figure:
    """The share of flips, or of harmful flips, among all pairs of a family."""
    wanted = [part for part in changed if part.perturbation.family == name] or list(changed)
    harmful = len(wanted) == len(changed)
    count, total = np.zeros(len(groups)), np.zeros(len(groups))
    for part in wanted:
        hits = part.flipped & (part.before == part.truth) if harmful else part.flipped
        np.add.at(count, part.rows, hits)
        np.add.at(total, part.rows, 1)

    def rate(at: NDArray[np.int64]) -> float:
        return float(count[at].sum() / total[at].sum())

    return Figure(
        f"flip rate, {name}",
        rate(np.arange(len(groups))),
        bootstrap(rate, groups),
        None if harmful else _FLIP_BAR,
    )


def _table(changed: Sequence[Flips]) -> Table:
    titles = ("change", "family", "prompts", "flips", "share", "right to wrong")
    more = ("wrong to right", "wrong to wrong", "between specialists")
    return Table(
        (*titles, *more),
        tuple(
            (
                part.perturbation.name,
                part.perturbation.family,
                str(len(part.rows)),
                str(int(part.flipped.sum())),
                f"{part.rate:.4f}",
                *map(str, part.counts()),
            )
            for part in changed
        ),
    )
