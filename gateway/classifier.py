"""The classifier as a Serve application of its own, and the gateway's way to it.

It may compute on a GPU and serves all gateway replicas. A request does not depend on it: one that
it does not classify in time goes to the generalist.
"""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from ray import serve

from deployments.handle import ServeApplication
from deployments.protocol import BackendError, Unavailable
from gateway.config import NicheConfig
from gateway.log import log_requests
from gateway.metrics import Metrics, sharing_variables
from gateway.routing import load_classifier
from gateway.scoring import BatchingScorer, ScoringFailed
from router.classifier import Classifier
from router.config import ClassifierDeployment, RouterConfig
from router.types import Query, Scores

ROUTER_APP = "router"
"""The name of the Serve application."""

CLASSIFIER = "classifier"
"""The name of its deployment."""

_SCORE_SECONDS = 1.0
_UNBOUNDED = 1 << 20
_log = logging.getLogger("gateway.classifier")


class ClassifierServer:
    """One replica of the classifier. Plain: `build_classifier` wraps it for Serve.

    Args:
        classifier: computes on a thread, so that the event loop never waits for it.
        max_batch: queries that share a forward pass at most.
        metrics: count the sizes of batches.
    """

    def __init__(self, classifier: Classifier, max_batch: int, metrics: Metrics) -> None:
        # The first pass allocates, on a GPU for seconds: no request is to wait for that.
        classifier.scores([Query(text="a first text")])
        on_batch = metrics.router_batch_size.observe
        self._scorer = BatchingScorer(classifier.scores, max_batch, on_batch)

    async def score_all(self, queries: Sequence[Query]) -> list[Scores]:
        """The scores of queries, in order; calls that wait for the thread share a forward pass.

        Raises:
            Unavailable: the classifier failed.
        """
        try:
            return list(await asyncio.gather(*map(self._scorer.score, queries)))
        except ScoringFailed as error:
            # In words, for the class of the fault may not exist where the caller runs.
            raise Unavailable(CLASSIFIER, f"it failed: {error}") from None

    async def health(self) -> None:
        """Returns when the replica answers at all."""


class BatchedClassifier(ClassifierServer):
    """What Serve runs: the classifier of a configuration behind `serve.batch`.

    Serve closes a batch when its waiting time is over, also while the classifier is busy with
    another. So it may hand over as many as it likes, and those that wait are joined in
    `score_all`.
    """

    def __init__(self, settings: RouterConfig, wanted: ClassifierDeployment, cache: Path) -> None:
        log_requests()
        classifier = load_classifier(settings, cache, "cuda" if wanted.num_gpus else "cpu")
        super().__init__(classifier, wanted.max_batch_size, Metrics(CollectorRegistry()))
        self._batched = serve.batch(
            max_batch_size=wanted.max_batch_size,
            batch_wait_timeout_s=wanted.batch_wait_seconds,
            max_concurrent_batches=_UNBOUNDED,
        )(self.score_all)

    async def score(self, query: Query) -> Scores:
        """The scores of one query."""
        return await self._batched(query)


def build_classifier(
    config: NicheConfig, wanted: ClassifierDeployment, cache_dir: Path, metrics_dir: Path | None
) -> serve.Application:
    """The Serve application that classifies; it has no HTTP route.

    Args:
        config: the validated configuration.
        wanted: its `router.deployment`.
        cache_dir: where model files lie.
        metrics_dir: where the gateway replicas of this node keep their metrics.
    """
    options = classifier_options(config, wanted, metrics_dir)
    deployment = serve.deployment(**options)(BatchedClassifier)
    return deployment.bind(config.router, wanted, cache_dir)


def classifier_options(
    config: NicheConfig, wanted: ClassifierDeployment, metrics_dir: Path | None
) -> dict[str, Any]:
    """Serve's options for the classifier; pure."""
    actor: dict[str, Any] = {
        "num_cpus": config.router.encoder_threads,
        "num_gpus": wanted.num_gpus,
    }
    if metrics_dir is not None:
        actor["runtime_env"] = {"env_vars": sharing_variables(metrics_dir)}
    edge = config.gateway
    return {
        "name": CLASSIFIER,
        "num_replicas": wanted.replicas,
        # As many as all gateways admit: beyond its limit Serve lets callers wait and try again.
        "max_ongoing_requests": edge.replicas * edge.max_concurrent_requests,
        "ray_actor_options": actor,
        "health_check_period_s": 5,
        "health_check_timeout_s": 30,
        "graceful_shutdown_timeout_s": 20,
    }


class RemoteScorer:
    """Asks the classifier's application; while it reports itself down, no request waits for it.

    Args:
        application: `ROUTER_APP`.
        timeout_seconds: how long a request may wait for its scores.
    """

    def __init__(
        self, application: ServeApplication, timeout_seconds: float = _SCORE_SECONDS
    ) -> None:
        self._application, self._timeout = application, timeout_seconds
        self._down: str | None = None

    async def score(self, query: Query) -> Scores:
        """The scores of a query.

        Raises:
            ScoringFailed: the classifier is down, failed, or took too long.
        """
        if self._down is not None:
            raise ScoringFailed(f"the classifier is down: {self._down}")
        try:
            async with asyncio.timeout(self._timeout):
                return await self._application.ask(lambda handle: handle.score.remote(query))
        except TimeoutError:
            raise ScoringFailed(f"no answer of the classifier in {self._timeout:g} s") from None
        except BackendError as error:
            raise ScoringFailed(f"the classifier failed: {error!r}") from error

    async def health(self) -> None:
        """See `DeployedScorer`; the verdict stands until the next question."""
        try:
            await self._application.health()
        except Unavailable as error:
            self._down = error.reason
            raise
        self._down = None
