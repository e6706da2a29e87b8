"""From scores to a decision: pure, total, and the only place where a model is chosen.

A request goes to a specialist when the classifier is sure of the domain, the query looks like what
it was trained on, and a specialist of that domain is available. Every doubt sends it to the
generalist, and is named.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from router.types import GENERAL, Decision, Reason, Scores


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The operator's own thresholds; None takes the artifact's, which come with the scores.

    `infeasible` says that a guarantee was asked for and no threshold gives it: nothing is routed.
    """

    min_confidence: float | None = None
    scope: float | None = None
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
        reason = Reason.UNPROVEN
    elif reason is None:
        specialists = tuple(model for model in table[domain] if available(model))
        reason = Reason.ROUTED if specialists else Reason.UNHEALTHY
    candidates = (*(model for model in specialists if model != generalist), generalist)
    return Decision(domain, candidates, reason, confidence, scores)


def _doubt(scores: Scores, confidence: float, config: Thresholds) -> Reason | None:
    confident = scores.min_confidence if config.min_confidence is None else config.min_confidence
    familiar = scores.scope_threshold if config.scope is None else config.scope
    if config.infeasible:
        return Reason.NO_GUARANTEE
    # Written so that a number that is not one counts as a doubt.
    if not confidence >= confident:
        return Reason.LOW_CONFIDENCE
    if not scores.scope >= familiar:
        return Reason.OUT_OF_SCOPE
    return None
