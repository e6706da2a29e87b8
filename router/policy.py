"""Turns scores into a decision: a pure, total function, and the only place that chooses a model.

A request goes to a specialist if the classifier is sure of the domain, the query is like the
training prompts, and a specialist of that domain is available. Otherwise it goes to the generalist,
and the decision names the reason.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.config import RouterConfig
from router.types import GENERAL, Decision, Explanation, Rationale, Reason, Scores

if TYPE_CHECKING:  # numpy and scipy are not needed to decide
    from router.guarantee import Guarantee


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The operator's thresholds; None takes the artifact's, which come with the scores.

    `infeasible`: no threshold meets the configured guarantee, so nothing is routed.
    """

    min_confidence: float | None = None
    max_ood_score: float | None = None
    infeasible: bool = False


def decide(
    scores: Scores,
    table: Mapping[str, tuple[str, ...]],
    generalist: str,
    available: Callable[[str], bool],
    thresholds: Thresholds,
) -> Decision:
    """The decision for a query with these scores.

    Args:
        scores: the classifier's scores.
        table: the active specialists of each domain, best first; empty for a domain whose
            specialists are all inactive.
        generalist: always the last candidate, even if it is unhealthy.
        available: whether a model may be asked now.
        thresholds: the operator's thresholds.
    """
    domain = max(scores.probabilities, key=scores.probabilities.__getitem__, default=GENERAL)
    confidence = scores.probabilities.get(domain, 0.0)
    specialists: tuple[str, ...] = ()
    reason = _doubt(scores, confidence, thresholds)
    if domain == GENERAL or domain not in table:
        reason = Reason.GENERAL
    elif reason is None and not table[domain]:
        reason = Reason.NO_ACTIVE_SPECIALIST
    elif reason is None:
        specialists = tuple(model for model in table[domain] if available(model))
        reason = Reason.ROUTED if specialists else Reason.UNHEALTHY
    candidates = (*(model for model in specialists if model != generalist), generalist)
    return Decision(domain, candidates, reason, confidence, scores)


def _doubt(scores: Scores, confidence: float, thresholds: Thresholds) -> Reason | None:
    min_confidence, max_ood_score = _in_force(scores, thresholds)
    if thresholds.infeasible:
        return Reason.GUARANTEE_INFEASIBLE
    # Negated comparisons, so that NaN counts as a doubt.
    if not confidence >= min_confidence:
        return Reason.LOW_CONFIDENCE
    if not scores.ood_score <= max_ood_score:
        return Reason.OUT_OF_DISTRIBUTION
    return None


def _in_force(scores: Scores, thresholds: Thresholds) -> tuple[float, float]:
    """The thresholds in force: the operator's, else the artifact's."""
    return (
        scores.min_confidence if thresholds.min_confidence is None else thresholds.min_confidence,
        scores.max_ood_score if thresholds.max_ood_score is None else thresholds.max_ood_score,
    )


class Policy:
    """Chooses models for queries that a classifier has scored.

    Args:
        table: the specialists of each domain, best first.
        generalist: the model for everything else.
        config: the operator's settings.
        guarantee: what the artifact can guarantee, when `config` asks for a guarantee.
    """

    def __init__(
        self,
        table: Mapping[str, tuple[str, ...]],
        generalist: str,
        config: RouterConfig,
        guarantee: "Guarantee | None" = None,
    ) -> None:
        self._table = dict(table)
        self._generalist = generalist
        self._thresholds = Thresholds(config.min_confidence, config.max_ood_score)
        self._guarantee = guarantee
        if guarantee is not None:
            self._thresholds = Thresholds(
                min_confidence=guarantee.threshold, infeasible=guarantee.threshold is None
            )

    def decide(
        self,
        scores: Scores,
        available: Callable[[str], bool],
        active: Callable[[str], bool] = lambda _: True,
    ) -> Decision:
        """The decision for a query with these scores.

        Args:
            scores: the query's scores.
            available: whether a model may be asked now.
            active: whether a specialist's state lets it get traffic; by default, always true.
        """
        table = {
            domain: tuple(model for model in models if active(model))
            for domain, models in self._table.items()
        }
        return decide(scores, table, self._generalist, available, self._thresholds)

    def requested(self, model: str, domain: str) -> Decision:
        """The decision for a request that names its model: only that model."""
        return Decision(domain, (model,), Reason.REQUESTED, 1.0)

    def unclassified(self) -> Decision:
        """The decision for a query without scores: the generalist's."""
        return Decision(GENERAL, (self._generalist,), Reason.CLASSIFIER_UNAVAILABLE, 0.0)

    def explain(self, scores: Scores, rationale: Rationale | None = None) -> Explanation:
        """Explains the decision for these scores: each score with its threshold.

        Args:
            scores: the query's scores.
            rationale: why the query has these scores; see `Classifier`.
        """
        min_confidence, max_ood_score = _in_force(scores, self._thresholds)
        return Explanation(
            probabilities=scores.probabilities,
            min_confidence=min_confidence,
            ood_score=scores.ood_score,
            max_ood_score=max_ood_score,
            truncated=scores.truncated,
            rationale=rationale,
            guarantee=None if self._guarantee is None else self._guarantee.sentence(),
        )
