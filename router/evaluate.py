"""What a classifier does on labelled rows: how often it is right, and how honest about it.

Figures of the classifier alone (its first choice) stand beside those of the whole policy (who gets
the request).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from router.calibration import calibration_error
from router.policy import Thresholds, decide
from router.router import Classifier
from router.rows import LabelledRow
from router.types import GENERAL, Query, Reason, Scores

__all__ = ["DomainFigures", "Evaluation", "ScopeFigures", "SourceFigures", "evaluate"]


@dataclass(frozen=True, slots=True)
class DomainFigures:
    """The classifier's first choice, for one domain; shares in [0, 1]."""

    domain: str
    rows: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class ScopeFigures:
    """How well familiarity alone tells the specialists' rows from the `general` ones.

    Attributes:
        auroc: probability that a row of a specialist looks more familiar than a general one.
        fpr95: share of general rows that pass a threshold which 95% of the specialists' pass.
        declined: share of general rows below the threshold.
        lost: share of the specialists' rows below the threshold.
    """

    auroc: float
    fpr95: float
    declined: float
    lost: float


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """The whole policy on the rows of one source and domain.

    `right` is the share that went where the label says: to the specialist or to the generalist.
    """

    source: str
    domain: str
    rows: int
    right: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures on held-out rows.

    Attributes:
        rows: how many.
        accuracy: share of rows whose first choice is right.
        macro_f1: mean F1 over the domains.
        ece: expected calibration error, 15 bins.
        routed: share of rows that a specialist gets.
        misrouted: share of those that should have gone elsewhere.
        missed: share of the specialists' rows that the generalist gets.
        domains: per domain.
        sources: per source.
        scope: None unless both kinds of rows are there.
    """

    rows: int
    accuracy: float
    macro_f1: float
    ece: float
    routed: float
    misrouted: float
    missed: float
    domains: tuple[DomainFigures, ...]
    sources: tuple[SourceFigures, ...]
    scope: ScopeFigures | None

    def metrics(self) -> dict[str, float]:
        """The single figures by name, rounded."""
        names = ("accuracy", "macro_f1", "ece", "routed", "misrouted", "missed")
        figures = {name: float(getattr(self, name)) for name in names}
        if self.scope is not None:
            figures |= {
                "scope_auroc": self.scope.auroc,
                "scope_fpr95": self.scope.fpr95,
                "scope_declined": self.scope.declined,
                "scope_lost": self.scope.lost,
            }
        return {name: round(figure, 4) for name, figure in figures.items()}

    def markdown(self) -> str:
        """The figures as Markdown tables."""
        lines = [f"{self.rows} rows.", "", "| figure | value |", "|---|---|"]
        lines += [f"| {name} | {value:.4f} |" for name, value in self.metrics().items()]
        lines += ["", "| domain | rows | precision | recall | F1 |", "|---|---|---|---|---|"]
        lines += [
            f"| {d.domain} | {d.rows} | {d.precision:.4f} | {d.recall:.4f} | {d.f1:.4f} |"
            for d in self.domains
        ]
        lines += ["", "| source | domain | rows | went where it belongs |", "|---|---|---|---|"]
        lines += [f"| {s.source} | {s.domain} | {s.rows} | {s.right:.4f} |" for s in self.sources]
        return "\n".join(lines) + "\n"


def evaluate(
    classifier: Classifier, rows: Sequence[LabelledRow], thresholds: Thresholds | None = None
) -> Evaluation:
    """Measures a classifier, and the policy with every specialist available, on labelled rows.

    Args:
        classifier: knows the domains of all rows.
        rows: held-out rows; at least one.
        thresholds: the operator's; the artifact's own by default.
    """
    classes = tuple(classifier.classes_)
    scores = classifier.scores([Query(text=row.text) for row in rows])
    truth = np.array([classes.index(row.domain) for row in rows])
    probabilities = np.array([[s.probabilities[domain] for domain in classes] for s in scores])
    general = classes.index(GENERAL)
    went = _destinations(scores, classes, thresholds or Thresholds())
    routed, belongs = went != general, truth != general
    domains = _domains(classes, truth, probabilities.argmax(axis=1))
    return Evaluation(
        rows=len(rows),
        accuracy=float((probabilities.argmax(axis=1) == truth).mean()),
        macro_f1=float(np.mean([figures.f1 for figures in domains])),
        ece=calibration_error(probabilities, truth),
        routed=float(routed.mean()),
        misrouted=_share(went[routed] != truth[routed]),
        missed=_share(~routed[belongs]),
        domains=domains,
        sources=_sources(rows, went == truth),
        scope=_scope(scores, belongs),
    )


def _destinations(
    scores: Sequence[Scores], classes: Sequence[str], thresholds: Thresholds
) -> NDArray[np.int64]:
    table = {domain: (domain,) for domain in classes if domain != GENERAL}
    decisions = [decide(s, table, GENERAL, lambda _: True, thresholds) for s in scores]
    return np.array(
        [classes.index(d.domain if d.reason is Reason.ROUTED else GENERAL) for d in decisions]
    )


def _domains(
    classes: Sequence[str], truth: NDArray[np.int64], chosen: NDArray[np.int64]
) -> tuple[DomainFigures, ...]:
    present = [index for index in range(len(classes)) if (truth == index).any()]
    columns = precision_recall_fscore_support(truth, chosen, labels=present, zero_division=0)
    return tuple(
        DomainFigures(classes[index], int(rows), float(precision), float(recall), float(f1))
        for index, precision, recall, f1, rows in zip(present, *columns, strict=True)
    )


def _sources(rows: Sequence[LabelledRow], right: NDArray[np.bool_]) -> tuple[SourceFigures, ...]:
    keys = [(row.source, row.domain) for row in rows]
    return tuple(
        SourceFigures(*key, len(hits), _share(hits))
        for key in sorted(set(keys))
        for hits in [right[[other == key for other in keys]]]
    )


def _scope(scores: Sequence[Scores], belongs: NDArray[np.bool_]) -> ScopeFigures | None:
    if belongs.all() or not belongs.any():
        return None
    scope = np.array([s.scope for s in scores])
    below = scope < np.array([s.scope_threshold for s in scores])
    return ScopeFigures(
        auroc=float(roc_auc_score(belongs, scope)),
        fpr95=_share(scope[~belongs] >= np.quantile(scope[belongs], 0.05)),
        declined=_share(below[~belongs]),
        lost=_share(below[belongs]),
    )


def _share(hits: NDArray[np.bool_]) -> float:
    return float(hits.mean()) if len(hits) else 0.0
