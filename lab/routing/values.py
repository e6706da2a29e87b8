"""The figures of an evaluation, as values.

There are two views. The first choice is the classifier's most likely domain. The destination is the
policy's decision: the specialist of that domain, or in doubt the generalist.

Rule: rows of a domain that the classifier does not know count as `general`. Figures of the first
choice use only rows whose domain the classifier knows.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lab.statistics.interval import Interval


@dataclass(frozen=True, slots=True)
class DomainFigures:
    """One domain that the classifier knows; shares in [0, 1].

    Attributes:
        domain: its name.
        rows: the number of its rows.
        precision: share of rows with this first choice that have this label.
        recall: share of its rows whose first choice is right.
        recall_interval: the interval of the recall, by Wilson.
        f1: harmonic mean of precision and recall.
        served: share of its rows that went to its own model.
        elsewhere: share of its rows that went to a wrong specialist.
    """

    domain: str
    rows: int
    precision: float
    recall: float
    recall_interval: Interval
    f1: float
    served: float
    elsewhere: float


@dataclass(frozen=True, slots=True)
class OutsideFigures:
    """Rows of one label that no specialist should get.

    Attributes:
        domain: the label; `general`, or one that the classifier does not know.
        rows: how many.
        routed: share of them that a specialist got.
        interval: the interval of that share, by Clopper and Pearson.
        most: the specialist that got most of them; None if none got any.
    """

    domain: str
    rows: int
    routed: float
    interval: Interval
    most: str | None


@dataclass(frozen=True, slots=True)
class OodFigures:
    """How well the OOD score alone separates the `general` rows from the specialists'.

    Attributes:
        auroc: probability that a general row has a higher score than a row of a specialist.
        fpr95: share of general rows that pass a threshold which 95% of the specialists' pass.
        declined: share of general rows above the threshold.
        lost: share of the specialists' rows above the threshold.
    """

    auroc: float
    fpr95: float
    declined: float
    lost: float

    @property
    def recall_at_5(self) -> float:
        """Share of general rows that are declined where 5% of the specialists' rows are."""
        return 1 - self.fpr95


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
class Confusion:
    """First choices: `counts[i][j]` rows of the domain `labels[i]` were classified as
    `labels[j]`."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def pairs(self) -> list[tuple[str, str, int]]:
        """Each wrong pair of domain and first choice with its rows, the most frequent first."""
        wrong = [
            (self.labels[row], self.labels[column], count)
            for row, line in enumerate(self.counts)
            for column, count in enumerate(line)
            if row != column and count
        ]
        return sorted(wrong, key=lambda pair: -pair[2])


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows whose confidence is from `low` to `high`: their mean confidence, and the share right.

    Both are 0 without rows.
    """

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """The calibration of the first choice's confidence.

    Attributes:
        bins: of equal width.
        ece: expected calibration error over these bins.
        adaptive_ece: the same over bins with equally many rows.
    """

    bins: tuple[ReliabilityBin, ...]
    ece: float
    adaptive_ece: float


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """A threshold on the confidence: the share of all rows that is routed, and of those the share
    that goes to a wrong specialist."""

    threshold: float
    coverage: float
    risk: float


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Coverage and risk at every threshold on the confidence, from the strictest to none.

    Attributes:
        points: with rising coverage; empty if nothing could be routed.
        area: mean risk over the reachable coverage.
    """

    points: tuple[RiskPoint, ...]
    area: float

    def at(self, threshold: float) -> RiskPoint:
        """Coverage and risk at a threshold; the risk is 0 if it routes nothing."""
        routed = [point for point in self.points if point.threshold >= threshold]
        return routed[-1] if routed else RiskPoint(threshold, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Mistake:
    """A row with a wrong first choice and a wrong destination.

    Attributes:
        text: the prompt, shortened.
        domain: its label.
        choice: the first choice.
        went_to: the specialist's domain, or `general`.
        confidence: probability of the first choice.
    """

    text: str
    domain: str
    choice: str
    went_to: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures on held-out rows. A figure without rows is NaN.

    Attributes:
        rows: how many.
        accuracy: share of rows whose first choice is right.
        macro_f1: mean F1 over the domains.
        routed: share of rows that a specialist gets.
        misrouted: share of those whose destination is wrong.
        missed: share of the specialists' rows that the generalist gets.
        intervals: of `accuracy`, `routed`, `misrouted` and `missed`, by Wilson.
        domains: per domain that the classifier knows.
        outside: per label of the rows that no specialist should get.
        sources: per source and domain.
        ood: None unless both kinds of rows occur.
        confusion: of the first choice.
        reliability: of the first choice.
        risk_coverage: of the policy.
        mistakes: the most confident ones first.
    """

    rows: int
    accuracy: float
    macro_f1: float
    routed: float
    misrouted: float
    missed: float
    intervals: Mapping[str, Interval]
    domains: tuple[DomainFigures, ...]
    outside: tuple[OutsideFigures, ...]
    sources: tuple[SourceFigures, ...]
    ood: OodFigures | None
    confusion: Confusion
    reliability: Reliability
    risk_coverage: RiskCoverage
    mistakes: tuple[Mistake, ...]

    @property
    def ece(self) -> float:
        """Expected calibration error of the first choice, 15 bins of equal width."""
        return self.reliability.ece

    def metrics(self) -> dict[str, float]:
        """The overall figures by name, rounded, without those that are NaN."""
        figures = {
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "ece": self.reliability.ece,
            "adaptive_ece": self.reliability.adaptive_ece,
            "routed": self.routed,
            "misrouted": self.misrouted,
            "missed": self.missed,
            "risk_area": self.risk_coverage.area,
        }
        if self.ood is not None:
            figures |= {
                "ood_auroc": self.ood.auroc,
                "ood_recall_at_5": self.ood.recall_at_5,
                "ood_fpr95": self.ood.fpr95,
                "ood_declined": self.ood.declined,
                "ood_lost": self.ood.lost,
            }
        return {
            name: round(float(figure), 4)
            for name, figure in figures.items()
            if not math.isnan(figure)
        }
