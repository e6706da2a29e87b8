"""From scores to a decision: pure, total, and the only place where a model is chosen.

A request goes to a specialist when the classifier is sure of the domain, the query looks like what
it was trained on, and a specialist of that domain is available. Every doubt sends it to the
generalist, and is named.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.config import RouterConfig
from router.types import GENERAL, Decision, Explanation, Neighbour, Reason, Scores

if TYPE_CHECKING:  # numpy and scipy are not needed to decide
    from router.guarantee import Guarantee


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The operator's own thresholds; None takes the artifact's, which come with the scores.

    `infeasible` says that a guarantee was asked for and no threshold gives it: nothing is routed.
    """

    min_confidence: float | None = None
    max_ood_score: float | None = None
    infeasible: bool = False


def decide(
    scores: Scores,
    table: Mapping[str, tuple[str, ...]],
    generalist: str,
    available: Callable[[str], bool],
    config: Thresholds,
) -> Decision:
    """Where a query with these scores goes.

    Args:
        scores: what the classifier sees.
        table: the specialists of each domain that may get traffic, best first. A domain may have
            specialists and none that may: then it is there, with nobody.
        generalist: always the last candidate, even when it looks unhealthy: there is nobody else.
        available: whether a model may be asked now.
        config: the operator's thresholds.
    """
    domain = max(scores.probabilities, key=scores.probabilities.__getitem__, default=GENERAL)
    confidence = scores.probabilities.get(domain, 0.0)
    specialists: tuple[str, ...] = ()
    reason = _doubt(scores, confidence, config)
    if domain == GENERAL or domain not in table:
        reason = Reason.GENERAL
    elif reason is None and not table[domain]:
        reason = Reason.NO_ACTIVE_SPECIALIST
    elif reason is None:
        specialists = tuple(model for model in table[domain] if available(model))
        reason = Reason.ROUTED if specialists else Reason.UNHEALTHY
    candidates = (*(model for model in specialists if model != generalist), generalist)
    return Decision(domain, candidates, reason, confidence, scores)


def _doubt(scores: Scores, confidence: float, config: Thresholds) -> Reason | None:
    min_confidence, max_ood_score = _in_force(scores, config)
    if config.infeasible:
        return Reason.GUARANTEE_INFEASIBLE
    # Written so that a number that is not one counts as a doubt.
    if not confidence >= min_confidence:
        return Reason.LOW_CONFIDENCE
    if not scores.ood_score <= max_ood_score:
        return Reason.OUT_OF_DISTRIBUTION
    return None


def _in_force(scores: Scores, config: Thresholds) -> tuple[float, float]:
    """The confidence and the OOD score that count: the operator's, else the artifact's."""
    return (
        scores.min_confidence if config.min_confidence is None else config.min_confidence,
        scores.max_ood_score if config.max_ood_score is None else config.max_ood_score,
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
        """Where a query with these scores goes.

        Args:
            scores: of the query.
            available: whether a model may be asked now.
            active: whether a specialist gets traffic at all; by default each does.
        """
        table = {
            domain: tuple(model for model in models if active(model))
            for domain, models in self._table.items()
        }
        return decide(scores, table, self._generalist, available, self._thresholds)

    def requested(self, model: str, domain: str) -> Decision:
        """The decision for a request that names its model: that model, and no other."""
        return Decision(domain, (model,), Reason.REQUESTED, 1.0)

    def unclassified(self) -> Decision:
        """The decision for a query without scores: the generalist's."""
        return Decision(GENERAL, (self._generalist,), Reason.CLASSIFIER_UNAVAILABLE, 0.0)

    def explain(self, scores: Scores, neighbours: tuple[Neighbour, ...] = ()) -> Explanation:
        """Why a query with these scores is routed as it is: beside each score its threshold.

        Args:
            scores: of the query.
            neighbours: the training prompts most like it, best first; see `RouteClassifier`.
        """
        min_confidence, max_ood_score = _in_force(scores, self._thresholds)
        return Explanation(
            probabilities=scores.probabilities,
            min_confidence=min_confidence,
            ood_score=scores.ood_score,
            max_ood_score=max_ood_score,
            truncated=scores.truncated,
            neighbours=neighbours,
            guarantee=None if self._guarantee is None else self._guarantee.sentence(),
        )
