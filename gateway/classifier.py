"""The classifier as a separate Serve application, and the gateway's client for it.

It may run on a GPU and serves all gateway replicas. If it does not classify a request in time, the
request goes to the generalist.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry
from ray import serve
from ray.serve.handle import DeploymentHandle

from deployments.handle import ServeApplication
from deployments.protocol import BackendError, Unavailable
from deployments.serve_port import listen_at_the_node
from gateway.config import NicheConfig
from gateway.explainer import ThreadExplainer
from gateway.log import log_requests
from gateway.metrics import Metrics, sharing_variables
from gateway.routing import load_classifier
from gateway.scoring import BatchingScorer, ScoringFailed
from router.classifier import Classifier
from router.config import ClassifierDeployment, RouterConfig
from router.types import Query, Rationale, Scores

ROUTER_APP = "router"
"""The name of the Serve application."""

CLASSIFIER = "classifier"
"""The name of its deployment."""

_SCORE_SECONDS = 1.0
_EXPLAIN_SECONDS = 10.0
"""Nobody's answer waits for an explanation."""
_UNBOUNDED = 1 << 20
_log = logging.getLogger("gateway.classifier")

_T = TypeVar("_T")


class ClassifierServer:
    """One replica of the classifier; `build_classifier` wraps it for Serve.

    Args:
        classifier: runs on worker threads, so it never blocks the event loop.
        max_batch: the most queries that share a forward pass.
        metrics: record the sizes of batches.
    """

    def __init__(self, classifier: Classifier, max_batch: int, metrics: Metrics) -> None:
        # Warm up: the first pass allocates memory, which takes seconds on a GPU.
        classifier.scores([Query(text="a first text")])
        on_batch = metrics.router_batch_size.observe
        self._scorer = BatchingScorer(classifier.scores, max_batch, on_batch)
        self._explainer = ThreadExplainer(classifier.rationale)

    async def score_all(self, queries: Sequence[Query]) -> list[Scores]:
        """The scores of queries, in order; waiting calls share a forward pass.

        Raises:
            Unavailable: the classifier failed.
        """
        try:
            return list(await asyncio.gather(*map(self._scorer.score, queries)))
        except ScoringFailed as error:
            # As text: the caller's process may not be able to import the exception's class.
            raise Unavailable(CLASSIFIER, f"it failed: {error}") from None

    async def explain(self, query: Query) -> Rationale:
        """Why a query has its scores.

        Raises:
            Unavailable: the classifier failed.
        """
        try:
            return await self._explainer.explain(query)
        except ScoringFailed as error:
            raise Unavailable(CLASSIFIER, f"it failed: {error}") from None

    async def health(self) -> None:
        """Returns if the replica responds."""


class BatchedClassifier(ClassifierServer):
    """The class that Serve runs: the configured classifier behind `serve.batch`.

    Serve closes a batch when its wait time is over, even while the classifier still computes
    another. So several batches may run at once; `score_all` merges the queries that wait.
    """

    def __init__(self, router: RouterConfig, settings: ClassifierDeployment, cache: Path) -> None:
        log_requests()
        listen_at_the_node()
        classifier = load_classifier(router, cache, "cuda" if settings.num_gpus else "cpu")
        super().__init__(classifier, settings.max_batch_size, Metrics(CollectorRegistry()))
        self._batched = serve.batch(
            max_batch_size=settings.max_batch_size,
            batch_wait_timeout_s=settings.batch_wait_seconds,
            max_concurrent_batches=_UNBOUNDED,
        )(self.score_all)

    async def score(self, query: Query) -> Scores:
        """The scores of one query."""
        return await self._batched(query)


def build_classifier(
    config: NicheConfig, settings: ClassifierDeployment, cache_dir: Path, metrics_dir: Path | None
) -> serve.Application:
    """The classifier's Serve application; it has no HTTP route.

    Args:
        config: the validated configuration.
        settings: its `router.deployment`.
        cache_dir: the directory of the model files.
        metrics_dir: where the gateway replicas of this node keep their metrics.
    """
    options = classifier_options(config, settings, metrics_dir)
    deployment = serve.deployment(**options)(BatchedClassifier)
    return deployment.bind(config.router, settings, cache_dir)


def classifier_options(
    config: NicheConfig, settings: ClassifierDeployment, metrics_dir: Path | None
) -> dict[str, Any]:
    """Serve's options for the classifier."""
    actor: dict[str, Any] = {
        "num_cpus": config.router.encoder_threads,
        "num_gpus": settings.num_gpus,
    }
    if metrics_dir is not None:
        actor["runtime_env"] = {"env_vars": sharing_variables(metrics_dir)}
    edge = config.gateway
    return {
        "name": CLASSIFIER,
        "num_replicas": settings.replicas,
        # As many as all gateways admit: beyond this limit, Serve's callers back off and retry.
        "max_ongoing_requests": edge.replicas * edge.max_concurrent_requests,
        "ray_actor_options": actor,
        "health_check_period_s": 5,
        "health_check_timeout_s": 30,
        "graceful_shutdown_timeout_s": edge.drain_seconds,
    }


class RemoteScorer:
    """Scores queries with the classifier's application; fails at once while that is down.

    Args:
        application: `ROUTER_APP`.
        timeout_seconds: how long a request may wait for its scores.
        explain_seconds: how long a preview may wait for its explanation.
    """

    def __init__(
        self,
        application: ServeApplication,
        timeout_seconds: float = _SCORE_SECONDS,
        explain_seconds: float = _EXPLAIN_SECONDS,
    ) -> None:
        self._application, self._timeout = application, timeout_seconds
        self._explain_seconds = explain_seconds
        self._down: str | None = None

    async def score(self, query: Query) -> Scores:
        """The scores of a query.

        Raises:
            ScoringFailed: the classifier is down, failed, or took too long.
        """
        return await self._ask(lambda handle: handle.score.remote(query), self._timeout)

    async def explain(self, query: Query) -> Rationale:
        """Why a query has its scores.

        Raises:
            ScoringFailed: as `score`.
        """
        return await self._ask(lambda handle: handle.explain.remote(query), self._explain_seconds)

    async def health(self) -> None:
        """See `DeployedScorer`; the others use the result until the next health check."""
        try:
            await self._application.health()
        except Unavailable as error:
            self._down = error.reason
            raise
        self._down = None

    async def _ask(self, call: Callable[[DeploymentHandle], Awaitable[_T]], seconds: float) -> _T:
        if self._down is not None:
            raise ScoringFailed(f"the classifier is down: {self._down}")
        try:
            async with asyncio.timeout(seconds):
                return await self._application.ask(call)
        except TimeoutError:
            raise ScoringFailed(f"no answer from the classifier in {seconds:g} s") from None
        except BackendError as error:
            raise ScoringFailed(f"the classifier failed: {error!r}") from error
