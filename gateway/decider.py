"""From the model that a client names to a decision: by the policy for `auto`, else that model.

Scoring takes milliseconds and happens elsewhere, on a thread or in another process; deciding takes
microseconds and happens on the event loop.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from gateway.config import AUTO, NicheConfig
from gateway.errors import ModelNotFound
from gateway.scoring import Scorer, ScoringFailed
from router.policy import Policy
from router.types import GENERAL, Decision, Query

_log = logging.getLogger("gateway.decider")


@dataclass(frozen=True, slots=True)
class Access:
    """Which models may answer.

    Attributes:
        available: whether a model is healthy enough to be asked now.
        active: whether the state of a specialist lets it answer at all.
    """

    available: Callable[[str], bool]
    active: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class AutoRouter:
    """Routes queries for `auto`: scores them, then decides.

    Attributes:
        policy: decides.
        scorer: scores queries for it.
        access: says which models may be asked; called on the event loop.
    """

    policy: Policy
    scorer: Scorer
    access: Access

    async def route(self, query: Query) -> Decision:
        """Where a query goes; without scores, to the generalist."""
        try:
            scores = await self.scorer.score(query)
        except ScoringFailed as error:
            _log.warning("a request was not classified: %s", error)
            return self.policy.unclassified()
        # A yes of `available` may be the permission to probe a model, so only the models that the
        # decision turns on are asked about.
        return self.policy.decide(scores, self.access.available, self.access.active)


class Decider:
    """Decides for one gateway process.

    Args:
        config: names the models.
        router: decides about `auto`.
    """

    def __init__(self, config: NicheConfig, router: AutoRouter) -> None:
        self._domains = {spec.name: spec.domain or GENERAL for spec in config.models}
        self._router = router

    async def decide(self, model: str, query: Query) -> Decision:
        """Where the request goes.

        Raises:
            ModelNotFound: no such model is configured.
        """
        if model == AUTO:
            return await self._router.route(query)
        if model not in self._domains:
            names = ", ".join((AUTO, *self._domains))
            raise ModelNotFound(
                f"Model {model[:80]!r} does not exist; available: {names}.", "model"
            )
        return self._router.policy.requested(model, self._domains[model])
