"""From the model a client names to a decision: the router's for `auto`, its own for any other name.

The router computes for milliseconds, so it works on one thread of its own; the event loop goes on
streaming.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from gateway.config import AUTO, NicheConfig
from gateway.errors import ModelNotFound
from gateway.metrics import Metrics
from router.router import Router
from router.types import GENERAL, Decision, Query

__all__ = ["Decider"]


class Decider:
    """Decides for one gateway process.

    Args:
        config: names the models.
        router: chooses among them.
        available: says which models may be asked now; called on the worker's thread.
        executor: one worker thread, on which alone the router runs.
        metrics: is told of durations and confidences.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        config: NicheConfig,
        router: Router,
        available: Callable[[str], bool],
        executor: Executor,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._domains = {spec.name: spec.domain or GENERAL for spec in config.models}
        self._router, self._executor = router, executor
        self._available = available
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
        loop = asyncio.get_running_loop()
        # The worker asks `Health` itself: a yes may be the permission to probe a model, so only the
        # models that the decision turns on may be asked about.
        decision = await loop.run_in_executor(
            self._executor, self._router.route, query, self._available
        )
        self._metrics.router_duration.observe(self._clock() - started)
        self._metrics.router_confidence.labels(decision.domain).observe(decision.confidence)
        return decision
