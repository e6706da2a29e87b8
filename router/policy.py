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


def everyone(_model: str) -> bool:
    """Says yes to every model."""
    return True


@dataclass(frozen=True, slots=True)
class Access:
    """Which models may answer.

    Attributes:
        available: whether a model is healthy enough for a request now. Its yes may grant the one
            probe of a broken model, so it is called only for models that are to be asked.
        active: whether a specialist's state lets it get traffic.
        able: whether a model can do what the request needs.
    """

    available: Callable[[str], bool] = everyone
    active: Callable[[str], bool] = everyone
    able: Callable[[str], bool] = everyone


_ALL = Access()


def decide(
    scores: Scores,
    table: Mapping[str, tuple[str, ...]],
    generalist: str,
    available: Callable[[str], bool],
    thresholds: Thresholds,
    able: Callable[[str], bool] = everyone,
) -> Decision:
    """The decision for a query with these scores.

    Args:
        scores: the classifier's scores.
        table: the active specialists of each domain, best first; empty for a domain whose
            specialists are all inactive.
        generalist: the last candidate, even if it is unhealthy. If it is not able, the able
            specialists of the other domains take its place.
        available: whether a model may be asked now.
        thresholds: the operator's thresholds.
        able: whether a model can do what the request needs.
    """
    domain = max(scores.probabilities, key=scores.probabilities.__getitem__, default=GENERAL)
    confidence = scores.probabilities.get(domain, 0.0)
    specialists: tuple[str, ...] = ()
    reason = _doubt(scores, confidence, thresholds)
    if domain == GENERAL or domain not in table:
        reason = Reason.GENERAL
    elif reason is None:
        reason, specialists = _specialists(table[domain], available, able)
    candidates = tuple(dict.fromkeys(filter(able, (*specialists, generalist))))
    if not candidates:
        reason, candidates = Reason.LACKS_CAPABILITY, _anybody(table, available, able)
    return Decision(domain, candidates, reason, confidence, scores)


def _specialists(
    models: tuple[str, ...], available: Callable[[str], bool], able: Callable[[str], bool]
) -> tuple[Reason, tuple[str, ...]]:
    """The specialists of a domain that may be asked, and the reason for the first candidate."""
    if not models:
        return Reason.NO_ACTIVE_SPECIALIST, ()
    those = tuple(filter(able, models))
    if not those:
        return Reason.LACKS_CAPABILITY, ()
    found = tuple(filter(available, those))
    return (Reason.ROUTED if found else Reason.UNHEALTHY), found


def _anybody(
    table: Mapping[str, tuple[str, ...]],
    available: Callable[[str], bool],
    able: Callable[[str], bool],
) -> tuple[str, ...]:
    """Every able specialist, of whatever domain; unhealthy ones only if there are no others."""
    those = tuple(model for models in table.values() for model in models if able(model))
    return tuple(filter(available, those)) or those


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

    def decide(self, scores: Scores, access: Access = _ALL) -> Decision:
        """The decision for a query with these scores; without candidates if no model is able."""
        table = self._active(access)
        return decide(
            scores, table, self._generalist, access.available, self._thresholds, access.able
        )

    def requested(self, model: str, domain: str) -> Decision:
        """The decision for a request that names its model: only that model."""
        return Decision(domain, (model,), Reason.REQUESTED, 1.0)

    def continued(self, model: str, domain: str, access: Access = _ALL) -> Decision | None:
        """The decision for a request that answers a model's tool calls: that model, then the
        generalist; None if the model may not be asked."""
        active = model == self._generalist or access.active(model)
        if not (active and access.able(model) and access.available(model)):
            return None
        candidates = tuple(dict.fromkeys(filter(access.able, (model, self._generalist))))
        return Decision(domain, candidates, Reason.SAME_CONVERSATION, 1.0)

    def unclassified(self, access: Access = _ALL) -> Decision:
        """The decision for a query without scores: the generalist's, or that of the specialists
        that are able where it is not."""
        candidates: tuple[str, ...] = (self._generalist,)
        if not access.able(self._generalist):
            candidates = _anybody(self._active(access), access.available, access.able)
        return Decision(GENERAL, candidates, Reason.CLASSIFIER_UNAVAILABLE, 0.0)

    def explain(
        self, scores: Scores, rationale: Rationale | None = None, access: Access = _ALL
    ) -> Explanation:
        """Explains the decision for these scores: each score with its threshold.

        Args:
            scores: the query's scores.
            rationale: why the query has these scores; see `Classifier`.
            access: says which specialists are active, for what is guaranteed now.
        """
        min_confidence, max_ood_score = _in_force(scores, self._thresholds)
        return Explanation(
            probabilities=scores.probabilities,
            min_confidence=min_confidence,
            ood_score=scores.ood_score,
            max_ood_score=max_ood_score,
            truncated=scores.truncated,
            rationale=rationale,
            guarantee=self._guaranteed(access),
        )

    def guarantee_voided_by(self, access: Access) -> tuple[str, ...]:
        """The domains without an active specialist, if a guarantee holds only while all have one.

        It is about the requests of all domains together: a share of wrong ones that is small among
        them may be large among those of the domains that are left.
        """
        if self._guarantee is None or self._guarantee.threshold is None:
            return ()
        return tuple(sorted(of for of, models in self._active(access).items() if not models))

    def _guaranteed(self, access: Access) -> str | None:
        if voided_by := ", ".join(self.guarantee_voided_by(access)):
            return f"none now: it is about all domains, and no specialist of {voided_by} is active"
        return None if self._guarantee is None else self._guarantee.sentence()

    def _active(self, access: Access) -> dict[str, tuple[str, ...]]:
        return {
            domain: tuple(model for model in models if access.active(model))
            for domain, models in self._table.items()
        }
