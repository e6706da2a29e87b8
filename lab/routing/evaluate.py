"""Measures a classifier, and the policy on top of it, on labelled rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from lab.routing.destinations import sent
from lab.routing.metrics import reliability, risk_coverage
from lab.routing.rows import LabelledRow, query_of
from lab.routing.values import (
    Confusion,
    DomainFigures,
    Evaluation,
    Mistake,
    OodFigures,
    OutsideFigures,
    RiskCoverage,
    SourceFigures,
)
from lab.statistics.interval import share_interval
from router.classifier import Classifier
from router.policy import Thresholds
from router.types import GENERAL

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

_MISTAKES = 20
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """The classifier's and the policy's results, one per row; the last four fields index `labels`.

    Attributes:
        labels: the classifier's classes, and `general`.
        known: the number of labels that the classifier has.
        confidence: the confidence of the first choice.
        ood_score, max_ood_score: the OOD score of each row, and its limit.
        truth: the row's label.
        choice: the first choice.
        went: the destination of the row.
        would: the destination without a confidence threshold.
    """

    labels: tuple[str, ...]
    known: int
    confidence: Doubles
    ood_score: Doubles
    max_ood_score: Doubles
    truth: Indices
    choice: Indices
    went: Indices
    would: Indices

    @property
    def general(self) -> int:
        return self.labels.index(GENERAL)

    @property
    def measurable(self) -> Flags:
        """Rows whose domain the classifier could have chosen."""
        return self.truth < self.known


def evaluate(
    classifier: Classifier, rows: Sequence[LabelledRow], thresholds: Thresholds | None = None
) -> Evaluation:
    """Evaluates a classifier, and the policy with all specialists available, on labelled rows.

    Args:
        classifier: rows of domains that it does not know count as `general`.
        rows: held-out rows; at least one.
        thresholds: the operator's; the artifact's own by default.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("there are no rows to evaluate on")
    seen = _look(classifier, rows, thresholds or Thresholds())
    routed, belongs = seen.went != seen.general, seen.truth != seen.general
    first = (seen.choice == seen.truth)[seen.measurable]
    shares = {
        "accuracy": first,
        "routed": routed,
        "misrouted": (seen.went != seen.truth)[routed],
        "missed": ~routed[belongs],
    }
    domains = _domains(seen)
    return Evaluation(
        rows=len(rows),
        **{name: _share(hits) for name, hits in shares.items()},
        macro_f1=float(np.mean([found.f1 for found in domains])) if domains else np.nan,
        intervals={name: share_interval(hits) for name, hits in shares.items()},
        domains=domains,
        outside=_outside(seen, rows),
        sources=_sources(rows, seen.went == seen.truth),
        ood=_ood(seen, belongs),
        confusion=_confusion(seen),
        reliability=reliability(seen.confidence[seen.measurable], first),
        risk_coverage=_risk_coverage(seen),
        mistakes=_mistakes(seen, rows),
    )


def _look(classifier: Classifier, rows: Sequence[LabelledRow], thresholds: Thresholds) -> _Seen:
    classes = tuple(classifier.classes_)
    labels = classes if GENERAL in classes else (*classes, GENERAL)
    scores = classifier.scores([query_of(row) for row in rows])
    probabilities = np.array([[s.probabilities.get(name, 0.0) for name in labels] for s in scores])
    index = {name: place for place, name in enumerate(labels)}
    any_confidence = Thresholds(0.0, thresholds.max_ood_score)
    return _Seen(
        labels=labels,
        known=len(classes),
        confidence=probabilities.max(axis=1),
        ood_score=np.array([s.ood_score for s in scores]),
        max_ood_score=np.array([s.max_ood_score for s in scores]),
        truth=np.array([index.get(row.domain, index[GENERAL]) for row in rows]),
        choice=probabilities.argmax(axis=1),
        went=np.array([index[name] for name in sent(scores, labels, thresholds)]),
        would=np.array([index[name] for name in sent(scores, labels, any_confidence)]),
    )


def _domains(seen: _Seen) -> tuple[DomainFigures, ...]:
    mask = seen.measurable
    truth, choice = seen.truth[mask], seen.choice[mask]
    present = np.unique(truth)
    if not len(present):
        return ()
    columns = precision_recall_fscore_support(truth, choice, labels=present, zero_division=0)
    return tuple(
        DomainFigures(
            domain=seen.labels[label],
            rows=int(rows),
            precision=float(precision),
            recall=float(recall),
            recall_interval=share_interval(choice[truth == label] == label),
            f1=float(f1),
            served=_share(went == label),
            elsewhere=_share((went != label) & (went != seen.general)),
        )
        for label, precision, recall, f1, rows in zip(present, *columns, strict=True)
        for went in [seen.went[seen.truth == label]]
    )


def _outside(seen: _Seen, rows: Sequence[LabelledRow]) -> tuple[OutsideFigures, ...]:
    went: dict[str, list[int]] = {}
    for place in np.flatnonzero(seen.truth == seen.general).tolist():
        went.setdefault(rows[place].domain, []).append(int(seen.went[place]))
    return tuple(_outside_of(seen, domain, found) for domain, found in sorted(went.items()))


def _outside_of(seen: _Seen, domain: str, went: Sequence[int]) -> OutsideFigures:
    taken = Counter(seen.labels[place] for place in went if place != seen.general)
    hits = np.array(went) != seen.general
    most = max(sorted(taken), key=taken.__getitem__, default=None)
    return OutsideFigures(domain, len(went), _share(hits), share_interval(hits, "exact"), most)


def _sources(rows: Sequence[LabelledRow], right: Flags) -> tuple[SourceFigures, ...]:
    keys = [(row.source, row.domain) for row in rows]
    names = sorted(set(keys))
    index = {key: place for place, key in enumerate(names)}
    places = np.array([index[key] for key in keys])
    counts, hits = np.bincount(places), np.bincount(places, right)
    return tuple(
        SourceFigures(*key, rows=int(count), right=float(hit / count))
        for key, count, hit in zip(names, counts, hits, strict=True)
    )


def _ood(seen: _Seen, belongs: Flags) -> OodFigures | None:
    if belongs.all() or not belongs.any():
        return None
    scores = seen.ood_score
    declined = scores > seen.max_ood_score
    return OodFigures(
        auroc=float(roc_auc_score(~belongs, scores)),
        fpr95=_share(scores[~belongs] <= np.quantile(scores[belongs], 0.95)),
        declined=_share(declined[~belongs]),
        lost=_share(declined[belongs]),
    )


def _confusion(seen: _Seen) -> Confusion:
    """All labels that a row belongs to or was taken for."""
    size = len(seen.labels)
    counts = np.bincount(seen.truth * size + seen.choice, minlength=size**2).reshape(size, size)
    kept = np.flatnonzero(counts.any(axis=0) | counts.any(axis=1))
    return Confusion(
        labels=tuple(seen.labels[place] for place in kept),
        counts=tuple(tuple(row) for row in counts[np.ix_(kept, kept)].tolist()),
    )


def _risk_coverage(seen: _Seen) -> RiskCoverage:
    offered = seen.would != seen.general
    wrong = (seen.would != seen.truth)[offered]
    return risk_coverage(seen.confidence[offered], wrong, len(seen.truth))


def _mistakes(seen: _Seen, rows: Sequence[LabelledRow]) -> tuple[Mistake, ...]:
    wrong = np.flatnonzero((seen.went != seen.truth) & (seen.choice != seen.truth))
    worst = wrong[np.argsort(-seen.confidence[wrong], kind="stable")][:_MISTAKES].tolist()
    return tuple(
        Mistake(
            text=" ".join(rows[place].text.split())[:_SHOWN_CHARACTERS],
            domain=rows[place].domain,
            choice=seen.labels[seen.choice[place]],
            went_to=seen.labels[seen.went[place]],
            confidence=float(seen.confidence[place]),
        )
        for place in worst
    )


def _share(hits: Flags) -> float:
    return float(hits.mean()) if len(hits) else float("nan")
