"""From the model a client names to a decision: the router's for `auto`, its own for any other name.

Scoring takes milliseconds and happens elsewhere, on a thread or in another process; deciding takes
microseconds and happens on the event loop.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from gateway.config import AUTO, NicheConfig
from gateway.errors import ModelNotFound
from gateway.metrics import Metrics
from gateway.scoring import Scorer, ScoringFailed
from router.router import Router
from router.types import GENERAL, Decision, Query

_log = logging.getLogger("gateway.decider")


@dataclass(frozen=True, slots=True)
class Access:
    """Which models may be asked.

    Attributes:
        available: whether a model may be asked now, by its health.
        active: whether a specialist gets traffic at all, by its lifecycle.
    """

    available: Callable[[str], bool]
    active: Callable[[str], bool]


class Decider:
    """Decides for one gateway process.

    Args:
        config: names the models.
        router: chooses among them.
        scorer: scores queries for the router.
        access: says which models may be asked; called on the event loop.
        metrics: is told of durations and confidences.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        config: NicheConfig,
        router: Router,
        scorer: Scorer,
        access: Access,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._domains = {spec.name: spec.domain or GENERAL for spec in config.models}
        self._router, self._scorer, self._access = router, scorer, access
        self._metrics, self._clock = metrics, clock

    async def decide(self, model: str, query: Query) -> Decision:
        """Where the request goes.

        Raises:
            ModelNotFound: no such model is configured.
        """
        if model == AUTO:
            return await self._routed(query)
        if model not in self._domains:
            names = ", ".join((AUTO, *self._domains))
            raise ModelNotFound(f"No model {model[:80]!r}; there are {names}.", "model")
        return self._router.requested(model, self._domains[model])

    async def _routed(self, query: Query) -> Decision:
        started = self._clock()
        try:
            scores = await self._scorer.score(query)
        except ScoringFailed as error:
            _log.warning("a request was not classified: %s", error)
            return self._router.unclassified()
        finally:
            self._metrics.router_duration.observe(self._clock() - started)
        # A yes of `available` may be the permission to probe a model, so only the models that the
        # decision turns on are asked about.
        decision = self._router.decide(scores, self._access.available, self._access.active)
        self._metrics.router_confidence.labels(decision.domain).observe(decision.confidence)
        return decision
