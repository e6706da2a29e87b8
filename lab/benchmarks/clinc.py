"""CLINC150's 10 domains: classification, and detection of out-of-scope rows.

Out-of-scope rows, and rows of held-out domains, are not used to train or to choose settings.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.benchmarks.figures import Bar, Figure, Result, share
from lab.benchmarks.learning import Settings, choose, detector_of
from lab.routing.fit import Part
from lab.routing.rows import LabelledRow
from lab.routing.train import TrainConfig
from lab.statistics.bootstrap import bootstrap
from lab.statistics.interval import Interval
from router.classifier import TextEncoder
from router.types import GENERAL

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Progress = Callable[[str], object]

KEPT, DRAWS = 5, 5
"""The number of domains kept as specialists, and of draws of them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Test:
    """OOD scores of test rows in scope and out of scope, and whether the domain was right.

    `threshold` is the OOD threshold; `sub_clusters` is the number chosen on validation rows.
    """

    inside: Doubles
    outside: Doubles
    right: NDArray[np.bool_]
    threshold: float
    sub_clusters: int

    @property
    def truth(self) -> NDArray[np.bool_]:
        return np.arange(len(self.inside) + len(self.outside)) >= len(self.inside)

    @property
    def scores(self) -> Doubles:
        return np.concatenate([self.inside, self.outside])

    def auroc(self) -> float:
        return _auroc(self.truth, self.scores)

    def auroc_interval(self) -> Interval:
        truth, scores = self.truth, self.scores
        return bootstrap(lambda rows: _auroc(truth[rows], scores[rows]), len(truth))


def _auroc(truth: NDArray[np.bool_], scores: Doubles) -> float:
    """The probability that a true row has the higher score; a tie counts half. Equals
    scikit-learn's `roc_auc_score`, in a hundredth of its time."""
    others = np.sort(scores[~truth])
    below, up_to = (np.searchsorted(others, scores[truth], side) for side in ("left", "right"))
    return float((below + up_to).mean() / 2 / len(others))


def clinc150(
    rows: Sequence[LabelledRow], encoder: TextEncoder, progress: Progress = lambda _: None
) -> Result:
    """Accuracy on the 10 domains, and detection of out-of-scope rows by the OOD score.

    Args:
        rows: of CLINC150; those out of scope are `general`.
        encoder: turns texts into vectors.
        progress: called on each step.
    """
    vectors = encoder.encode([row.text.strip() for row in rows]).vectors
    domains = sorted({row.domain for row in rows} - {GENERAL})
    test = _fit(rows, vectors, domains, progress)
    at_5 = float(np.quantile(test.inside, 0.95))
    return Result(
        "clinc150",
        (
            share("in-scope accuracy, 10 domains", test.right, Bar(0.980)),
            Figure("out-of-scope AUROC", test.auroc(), test.auroc_interval(), Bar(0.972)),
            share("out-of-scope recall, 5% of in-scope rejected", test.outside > at_5, Bar(0.85)),
            share("recall at the threshold set on validation", test.outside > test.threshold),
            share("in-scope rejected at that threshold", test.inside > test.threshold),
        ),
        (
            f"{len(test.inside)} test rows in scope, {len(test.outside)} out of scope; "
            f"{test.sub_clusters} sub-clusters per domain, chosen on validation.",
        ),
    )


def clinc150_unseen(
    rows: Sequence[LabelledRow], encoder: TextEncoder, progress: Progress = lambda _: None
) -> Result:
    """As `clinc150`, with 5 of the 10 domains as specialists: the others are out of scope too."""
    vectors = encoder.encode([row.text.strip() for row in rows]).vectors
    domains = sorted({row.domain for row in rows} - {GENERAL})
    found, accuracies, recalls, notes = [], [], [], []
    for seed in range(DRAWS):
        drawn = np.random.default_rng(seed).choice(len(domains), KEPT, replace=False)
        kept = [domains[index] for index in sorted(drawn)]
        test = _fit(rows, vectors, kept, progress)
        found.append(test.auroc())
        accuracies.append(float(test.right.mean()))
        recalls.append(float((test.outside > np.quantile(test.inside, 0.95)).mean()))
        notes.append(
            f"{', '.join(kept)}: AUROC {found[-1]:.4f}, recall {recalls[-1]:.4f}, "
            f"accuracy {accuracies[-1]:.4f}, {test.sub_clusters} sub-clusters."
        )
        progress(notes[-1])
    return Result(
        "clinc150-unseen",
        (
            Figure(f"mean AUROC of {DRAWS} draws", float(np.mean(found)), None, Bar(0.97)),
            Figure("lowest AUROC", min(found)),
            Figure("highest AUROC", max(found)),
            Figure("mean recall, 5% of in-scope rejected", float(np.mean(recalls))),
            Figure("mean in-scope accuracy", float(np.mean(accuracies))),
        ),
        tuple(notes),
    )


def _fit(
    rows: Sequence[LabelledRow], vectors: Floats, domains: Sequence[str], progress: Progress
) -> _Test:
    """Trains a router for these domains, and scores its test rows and those of other domains."""
    config = TrainConfig()
    classes = tuple(domains)
    truth = np.array([classes.index(row.domain) if row.domain in classes else -1 for row in rows])
    split = np.array([row.split for row in rows])
    fit, check = (
        Part(vectors[own], truth[own])
        for own in ((split == name) & (truth >= 0) for name in ("train", "validation"))
    )
    grid = [Settings(count, config.inverse_regularisation) for count in config.sub_clusters]
    head, settings = choose(classes, fit, check, grid, progress)
    detector = detector_of(head, fit, check)
    test = split == "test"
    logits = head.logits(vectors[test])
    scores = detector.scores(head.negative_energy(logits), vectors[test])
    belongs = truth[test] >= 0
    right = head.probabilities(logits).argmax(axis=1) == truth[test]
    return _Test(
        inside=scores[belongs],
        outside=scores[~belongs],
        right=right[belongs],
        threshold=detector.max_score,
        sub_clusters=settings.sub_clusters,
    )
