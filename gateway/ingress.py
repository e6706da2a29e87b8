"""The gateway as a Serve deployment: builds a replica's parts and hands its ASGI app to Serve.

The app itself (`gateway/app.py`) does not depend on Ray.
"""

import asyncio
import gc
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from prometheus_client import CollectorRegistry
from ray import serve
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.engine import Engine, EngineContext, create_engines
from deployments.handle import ServeApplication, ServeBackend
from deployments.limiter import Limiter
from deployments.pool import Pool
from deployments.protocol import Backend
from deployments.replica_client import ReplicaClient
from deployments.upstream import Upstream
from gateway.app import build_app
from gateway.classifier import CLASSIFIER, ROUTER_APP, RemoteScorer
from gateway.config import ConfigError, NicheConfig
from gateway.dependencies import Dependencies
from gateway.evidence.grading import JUDGE
from gateway.log import log_requests
from gateway.loop_watch import watch_running_loop
from gateway.metrics import Metrics, forget_dead_processes, sharing_variables
from gateway.routing import load_classifier, load_policy
from gateway.scoring import DeployedScorer
from gateway.specialists.stack_file import StackFile
from gateway.tracing.otlp import open_provider
from router.classifier import Classifier
from router.policy import Policy

GATEWAY_APP = "gateway"

_GARBAGE_THRESHOLDS = (100_000, 1, 1)
"""When Python looks for cycles of objects: rarely, since requests leave none (`test_work.py`). With
the default of 700 new objects it walks all requests under way again and again, which at 64 clients
takes a seventh of the CPU time; 10,000 is still less than they have."""


_MOST_CONNECTIONS = 100_000
"""More than HAProxy takes."""

_ONE_LOOP = {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0"}
"""Serve's default hands every piece of an answer from the gateway's loop to a second one. The
gateway does nothing that blocks a loop."""


@dataclass(frozen=True)
class GatewayContext:
    """The machine-specific settings of a gateway replica.

    All gateway replicas of a node share `metrics_dir`, so that each can serve the sums.
    `apps` are the applications of pools, by `Pool.app_name`, where these are not their names: of
    those that took another's place while the stack ran. `followed` is the configuration's file,
    where the stack follows it and requests may change it.
    """

    engine: EngineContext
    metrics_dir: Path | None = None
    apps: Mapping[str, str] = field(default_factory=dict)
    followed: Path | None = None


class Gateway:
    """One gateway replica; `build_gateway` wraps it for Serve."""

    def __init__(self, config: NicheConfig, context: GatewayContext) -> None:
        self._config, self._context = config, context

    async def __serve_build_asgi_app__(self) -> ASGIApp:
        config, context = self._config, self._context
        log_requests()
        gc.set_threshold(*_GARBAGE_THRESHOLDS)
        if os.environ.get("NICHE_DEBUG_LOOP") == "1":
            watch_running_loop()
        if context.metrics_dir is not None:
            forget_dead_processes(context.metrics_dir, psutil.pid_exists)
        engines, client = local_engines(config, context.engine), ReplicaClient()
        policy, classifier = await load_routing(config, context.engine.cache_dir)
        tracing = config.observability.tracing
        app = build_app(
            Dependencies(
                config=config,
                policy=policy,
                classifier=classifier,
                judge=engines.get(JUDGE),
                services=(client, *engines.values()),
                backends=_backends(config, engines, client, context.apps),
                clock=time.monotonic,
                wall_clock=time.time,
                metrics=Metrics(CollectorRegistry()),
                stack_file=_stack_file(context.followed),
                multiprocess_dir=str(context.metrics_dir) if context.metrics_dir else None,
                tracer_provider=open_provider(tracing) if tracing else None,
            )
        )
        return _OneRequestId(app)


class _OneRequestId:
    """Drops the gateway's `x-request-id` header when Serve adds its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = dict(scope.get("headers", ())).get(b"x-request-id")

        async def send_once(message: Message) -> None:
            if message["type"] == "http.response.start" and request_id is not None:
                headers = [pair for pair in message["headers"] if pair[0] != b"x-request-id"]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_once)


async def load_routing(
    config: NicheConfig,
    cache_dir: Path,
    in_thread: Callable[..., Awaitable[Any]] = asyncio.to_thread,
) -> tuple[Policy, Classifier | DeployedScorer]:
    """What chooses the models. Its files, a hundred megabytes to read and verify, are loaded on
    another thread, since what Serve runs on a replica's event loop would wait for them.

    Args:
        config: the validated configuration.
        cache_dir: the directory of the model files.
        in_thread: runs a function on another thread.

    Raises:
        RouterError, ModelError: as `load_policy` and `load_classifier`.
    """
    policy = await in_thread(load_policy, config)
    if config.router.deployment is not None:
        return policy, _remote_scorer()
    return policy, await in_thread(load_classifier, config.router, cache_dir, "cpu")


def local_engines(config: NicheConfig, context: EngineContext) -> dict[str, Engine]:
    """The engines of this process, by name: of each model that the gateway asks itself, and of
    `gateway.shadow.judge` as `JUDGE`.

    Raises:
        ConfigError: a line for each whose options are wrong, or whose key is not in the
            environment.
    """
    specs = {spec.name: spec for spec in config.models if spec.in_gateway}
    if config.judge is not None:
        specs[JUDGE] = config.judge.spec
    try:
        return create_engines(specs, context)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _stack_file(path: Path | None) -> StackFile | None:
    # Not the engines' options: a new specialist has those of its pool, and checking them imports
    # the engines, which the gateway does not load.
    return None if path is None else StackFile(path, load_policy)


def _backends(
    config: NicheConfig,
    engines: Mapping[str, Engine],
    client: ReplicaClient,
    apps: Mapping[str, str],
) -> dict[str, Backend]:
    """The backend of each model: this process, or a pool on Ray Serve."""
    found: dict[str, Backend] = {
        spec.name: Upstream(spec, engines[spec.name]) for spec in config.models if spec.in_gateway
    }
    for pool in config.pools:
        app = apps.get(pool.app_name, pool.app_name)
        found |= dict.fromkeys(pool.model_names, _deployed(pool, app, client))
    return found


def _deployed(pool: Pool, app: str, client: ReplicaClient) -> ServeBackend:
    scaling = pool.basis.autoscaling
    at_ports = pool.asked_at_ports and not _encrypts()
    # Models that share replicas have limits of all of them together.
    replicas = 1 if pool.shared else pool.basis.replicas
    limiter = Limiter(pool.models, replicas, keeps_queue=pool.shared or at_ports)
    return ServeBackend(
        pool.name,
        partial(serve.get_deployment_handle, pool.name, app_name=app),
        may_sleep=scaling is not None and scaling.min_replicas == 0,
        limiter=limiter,
        client=client if at_ports else None,
    )


def _encrypts() -> bool:
    """Whether Ray's processes speak TLS to each other; a replica's own port does not."""
    return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")


def _remote_scorer() -> RemoteScorer:
    look = partial(serve.get_deployment_handle, CLASSIFIER, app_name=ROUTER_APP)
    return RemoteScorer(ServeApplication(CLASSIFIER, look))


def build_gateway(config: NicheConfig, context: GatewayContext) -> serve.Application:
    """The Serve application that answers HTTP."""
    variables = dict(_ONE_LOOP)
    if context.metrics_dir is not None:
        variables |= sharing_variables(context.metrics_dir)
    actor = {"num_cpus": config.gateway.num_cpus, "runtime_env": {"env_vars": variables}}
    return serve.deployment(
        name=GATEWAY_APP,
        num_replicas=config.gateway.replicas,
        # The gateway refuses itself what is too much, at once and with OpenAI's error body. What
        # Serve kept waiting before it, it could not see.
        max_ongoing_requests=_MOST_CONNECTIONS,
        ray_actor_options=actor,
        graceful_shutdown_timeout_s=config.gateway.drain_seconds,
    )(serve.ingress()(Gateway)).bind(config, context)
