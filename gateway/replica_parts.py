"""What a gateway replica is made of, for one configuration after another.

Rule: a part that another configuration does not change is kept, with its connections and counts.
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from ray import serve

from deployments.absent import AbsentModel
from deployments.engine import Engine, EngineContext, create_engine
from deployments.handle import ServeApplication, ServeBackend, why_down
from deployments.limiter import Limiter
from deployments.pool import Pool
from deployments.protocol import Backend
from deployments.replica_client import ReplicaClient
from deployments.spec import Limits, ModelSpec
from deployments.upstream import Upstream
from gateway.classifier import CLASSIFIER, ROUTER_APP, RemoteScorer
from gateway.config import ConfigError, NicheConfig
from gateway.dependencies import Dependencies
from gateway.desired_state import DesiredState
from gateway.evidence.grading import JUDGE
from gateway.metrics import Metrics
from gateway.replaceable_app import SharedService
from gateway.routing import classifier_made_of, load_classifier, load_policy
from gateway.scoring import DeployedScorer
from gateway.specialists.stack_file import StackFile
from gateway.tracing.otlp import open_provider
from router.classifier import Classifier
from router.policy import Policy

_log = logging.getLogger("gateway.replica_parts")

_InThread = Callable[..., Awaitable[Any]]
_Scoring = Classifier | DeployedScorer


class ReplicaParts:
    """Makes the dependencies of one gateway replica.

    Args:
        context: where model files are.
        metrics_dir: where the gateway replicas of a node keep their metrics; None: each alone.
        followed: the configuration's file that requests may change, if there is one.
        in_thread: runs a function on another thread.
    """

    def __init__(
        self,
        context: EngineContext,
        metrics_dir: Path | None = None,
        followed: Path | None = None,
        in_thread: _InThread = asyncio.to_thread,
    ) -> None:
        self._context, self._metrics_dir = context, metrics_dir
        self._followed, self._in_thread = followed, in_thread
        self.metrics = Metrics(CollectorRegistry())
        self._client = ReplicaClient()
        self._shared_client = SharedService(self._client)
        self._engines: dict[str, tuple[ModelSpec, Engine, SharedService]] = {}
        self._upstreams: dict[str, tuple[Limits, Engine, Upstream]] = {}
        self._pools: dict[tuple[str, str, bool, bool], ServeBackend] = {}
        self._limiters: dict[str, tuple[object, Pool, Limiter]] = {}
        self._scoring: tuple[object, _Scoring] | None = None

    async def dependencies(self, desired: DesiredState) -> Dependencies:
        """The dependencies of the gateway's app. Files, of a hundred megabytes to read and verify,
        are loaded on another thread, since requests would wait for them.

        Raises:
            RouterError, ModelError: as `load_policy` and `load_classifier`.
            ConfigError: the judge cannot be asked.
        """
        config = desired.config
        policy, classifier = await self.routing(config)
        engines, backends = self.upstreams(config)
        tracing = config.observability.tracing
        return Dependencies(
            config=config,
            policy=policy,
            classifier=classifier,
            judge=engines.get(JUDGE),
            services=(self._shared_client, *(self._engines[name][2] for name in engines)),
            backends=backends | self._deployed(config, desired.apps),
            clock=time.monotonic,
            wall_clock=time.time,
            metrics=self.metrics,
            stack_file=_stack_file(self._followed),
            multiprocess_dir=str(self._metrics_dir) if self._metrics_dir else None,
            tracer_provider=open_provider(tracing) if tracing else None,
        )

    async def routing(self, config: NicheConfig) -> tuple[Policy, _Scoring]:
        """What chooses the models.

        Raises:
            RouterError, ModelError: as `load_policy` and `load_classifier`.
        """
        policy = await self._in_thread(load_policy, config)
        made_of = classifier_made_of(config.router)
        if self._scoring is None or self._scoring[0] != made_of:
            self._scoring = made_of, await self._scorer(config)
        return policy, self._scoring[1]

    async def _scorer(self, config: NicheConfig) -> _Scoring:
        if config.router.deployment is not None:
            look = partial(serve.get_deployment_handle, CLASSIFIER, app_name=ROUTER_APP)
            why = partial(why_down, ROUTER_APP, CLASSIFIER)
            return RemoteScorer(ServeApplication(CLASSIFIER, look, why_down=why))
        cache_dir = self._context.cache_dir
        loaded: _Scoring = await self._in_thread(load_classifier, config.router, cache_dir, "cpu")
        return loaded

    def upstreams(self, config: NicheConfig) -> tuple[dict[str, Engine], dict[str, Backend]]:
        """The engines of this process, by name: of each model that the gateway asks itself, and of
        `gateway.shadow.judge` as `JUDGE`; and the models' backends. A model whose engine cannot be
        made, since its key is not in the environment, is absent, and says why.

        Raises:
            ConfigError: the judge's engine cannot be made.
        """
        engines: dict[str, Engine] = {}
        backends: dict[str, Backend] = {}
        for spec in filter(lambda spec: spec.in_gateway, config.models):
            try:
                engines[spec.name] = self._engine(spec.name, spec)
            except ValueError as error:
                _log.error("model %r is missing: %s", spec.name, error)
                backends[spec.name] = AbsentModel(spec.name, str(error))
            else:
                backends[spec.name] = self._upstream(spec, engines[spec.name])
        if config.judge is not None:
            try:
                engines[JUDGE] = self._engine(JUDGE, config.judge.spec)
            except ValueError as error:
                raise ConfigError(f"gateway.shadow.judge: {error}") from error
        self._keep(engines)
        return engines, backends

    def _keep(self, engines: Mapping[str, Engine]) -> None:
        """Forgets all others: they stop with their last app, for good, so that a configuration
        which has them again needs new ones."""
        self._engines = {name: of for name, of in self._engines.items() if name in engines}
        self._upstreams = {name: of for name, of in self._upstreams.items() if name in engines}

    def _engine(self, name: str, spec: ModelSpec) -> Engine:
        before = self._engines.get(name)
        if before is None or before[0] != spec.as_loaded:
            engine = create_engine([spec], self._context)
            before = self._engines[name] = spec.as_loaded, engine, SharedService(engine)
        return before[1]

    def _upstream(self, spec: ModelSpec, engine: Engine) -> Upstream:
        before = self._upstreams.get(spec.name)
        if before is None or before[:2] != (spec.limits, engine):
            before = self._upstreams[spec.name] = spec.limits, engine, Upstream(spec, engine)
        return before[2]

    def _deployed(self, config: NicheConfig, apps: Mapping[str, str]) -> dict[str, Backend]:
        """The backends of the models that have replicas."""
        found: dict[str, Backend] = {}
        for pool in config.pools:
            app = apps.get(pool.app_name, pool.app_name)
            found |= dict.fromkeys(pool.model_names, self._backend(pool, app))
        self._pools = {key: of for key, of in self._pools.items() if of in found.values()}
        return found

    def _backend(self, pool: Pool, app: str) -> ServeBackend:
        scaling = pool.basis.autoscaling
        may_sleep = scaling is not None and scaling.min_replicas == 0
        at_ports = pool.asked_at_ports and not _encrypts()
        key = pool.name, app, may_sleep, at_ports
        if key not in self._pools:
            self._pools[key] = ServeBackend(
                pool.name,
                partial(serve.get_deployment_handle, pool.name, app_name=app),
                may_sleep=may_sleep,
                why_down=partial(why_down, app, pool.name),
                client=self._client if at_ports else None,
            )
        self._pools[key].limiter = self._limiter(pool, keeps_queue=pool.shared or at_ports)
        return self._pools[key]

    def _limiter(self, pool: Pool, *, keeps_queue: bool) -> Limiter:
        # Models that share replicas have limits of all of them together.
        replicas = 1 if pool.shared else pool.basis.replicas
        made_of = {spec.name: spec.limits for spec in pool.models}, replicas, keeps_queue
        before = self._limiters.get(pool.name)
        if before is None or before[0] != made_of:
            # An app that serves on, or ends its requests, has the models that this one leaves out.
            known = pool if before is None else pool.with_those_of(before[1])
            before = made_of, known, Limiter(known.models, replicas, keeps_queue=keeps_queue)
            self._limiters[pool.name] = before
        return before[2]


def _stack_file(path: Path | None) -> StackFile | None:
    # Not the engines' options: a new specialist has those of its pool, and checking them imports
    # the engines, which the gateway does not load.
    return None if path is None else StackFile(path, load_policy)


def _encrypts() -> bool:
    """Whether Ray's processes speak TLS to each other; a replica's own port does not."""
    return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")
