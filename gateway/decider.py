"""Turns the requested model into a decision: the policy's for `auto`, else that model.

Scoring takes milliseconds and runs on a thread or in another process; deciding takes microseconds
and runs on the event loop.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from deployments.protocol import KINDS, Kind
from gateway.config import AUTO, NicheConfig
from gateway.dialects.parse import CompletionRequest
from gateway.errors import GatewayError, InvalidValue, ModelNotFound
from gateway.record import NONE
from gateway.scoring import Scorer, ScoringFailed
from router.policy import Policy
from router.types import GENERAL, Decision, Query

_log = logging.getLogger("gateway.decider")


@dataclass(frozen=True, slots=True)
class Access:
    """Which models may answer.

    Attributes:
        available: whether a model is healthy enough for a request now.
        active: whether a specialist's state lets it get traffic.
    """

    available: Callable[[str], bool]
    active: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class AutoRouter:
    """Routes queries for `auto`: scores them, then decides.

    Attributes:
        policy: chooses the model from the scores.
        scorer: scores queries.
        access: says which models may be asked; called on the event loop.
    """

    policy: Policy
    scorer: Scorer
    access: Access

    async def route(self, query: Query) -> Decision:
        """The decision for a query; the generalist's if scoring fails."""
        try:
            scores = await self.scorer.score(query)
        except ScoringFailed as error:
            _log.warning("a request was not classified: %s", error)
            return self.policy.unclassified()
        # `available` may grant the one probe of a broken model, so the policy calls it only for
        # the models that this decision may use.
        return self.policy.decide(scores, self.access.available, self.access.active)


class Decider:
    """Chooses the model of each request, for one gateway process.

    Args:
        config: names the models.
        router: handles `auto`.
    """

    def __init__(self, config: NicheConfig, router: AutoRouter) -> None:
        self._domains: dict[Kind, dict[str, str]] = {"generation": {AUTO: GENERAL}}
        for spec in config.models:
            domain = spec.domain or (GENERAL if spec.kind == "generation" else NONE)
            self._domains.setdefault(spec.kind, {})[spec.name] = domain
        self._router = router

    async def decide(self, request: CompletionRequest) -> Decision:
        """The decision for a request.

        Raises:
            ModelNotFound: the model is not configured.
            InvalidValue: it is one for other requests.
        """
        model, able = request.model, self._domains.get(KINDS[request.operation], {})
        if model not in able:
            kinds = [kind for kind, models in self._domains.items() if model in models]
            raise _refusal(model[:80], able, kinds)
        if model == AUTO:
            return await self._router.route(request.query)
        return self._router.policy.requested(model, able[model])


def _refusal(model: str, able: Iterable[str], kinds: Sequence[Kind]) -> GatewayError:
    """The error for a model that is not among those that could serve the request; `kinds` has its
    own, if it exists."""
    names = ", ".join(able) or "none"
    if not kinds:
        return ModelNotFound(f"Model {model!r} does not exist; available: {names}.", "model")
    return InvalidValue(f"model: {model!r} is for {kinds[0]} alone; available: {names}.", "model")
