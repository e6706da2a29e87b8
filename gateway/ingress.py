"""The gateway as a Serve deployment: builds a replica's parts and hands its ASGI app to Serve.

The app itself (`gateway/app.py`) does not depend on Ray.
"""

import asyncio
import gc
import logging
import os
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from ray import serve
from starlette.applications import Starlette
from starlette.types import ASGIApp

from deployments.engine import EngineContext
from deployments.serve_port import listen_at_the_node
from gateway.app import build_app
from gateway.config import NicheConfig
from gateway.desired_state import DesiredState
from gateway.log import log_requests
from gateway.loop_watch import watch_running_loop
from gateway.metrics import forget_dead_processes, sharing_variables
from gateway.replaceable_app import ReplaceableApp
from gateway.replica_parts import ReplicaParts

_log = logging.getLogger("gateway.ingress")

GATEWAY_APP = "gateway"

_LOOK_SECONDS = 1.0
_HEALTHY_SECONDS = 10.0
_FORGET_SECONDS = 10.0

_GARBAGE_THRESHOLDS = (100_000, 1, 1)
"""When Python looks for cycles of objects: rarely, since requests leave none (`test_work.py`). With
the default of 700 new objects it walks all requests under way again and again, which at 64 clients
takes a seventh of the CPU time; 10,000 is still less than they have."""


_MOST_CONNECTIONS = 100_000
"""More than HAProxy takes."""

_ONE_LOOP = {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0"}
"""Serve's default hands every piece of an answer from the gateway's loop to a second one. The
gateway does nothing that blocks a loop."""


_BODIES_GO_BACK = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
"""The memory of a long body goes back to the system with it: glibc would keep it, and tear it."""


@dataclass(frozen=True)
class GatewayContext:
    """The machine-specific settings of a gateway replica.

    All gateway replicas of a node share `metrics_dir`, so that each can serve the sums.
    `apps` are the applications of pools, by `Pool.app_name`, where these are not their names: of
    those that took another's place while the stack ran. `followed` is the configuration's file,
    where the stack follows it and requests may change it. `desired` is the file of the
    `DesiredState` that the launcher replaces, if it does; `number` is that of the configuration
    which a replica is started with.
    """

    engine: EngineContext
    metrics_dir: Path | None = None
    apps: Mapping[str, str] = field(default_factory=dict)
    followed: Path | None = None
    desired: Path | None = None
    number: int = 0


class Gateway:
    """One gateway replica; `build_gateway` wraps it for Serve.

    Args:
        config: what it serves at first.
        context: the machine-specific settings.
        parts: make the dependencies of its apps; None: as the context says.
    """

    def __init__(
        self, config: NicheConfig, context: GatewayContext, parts: ReplicaParts | None = None
    ) -> None:
        listen_at_the_node()
        self._desired = DesiredState(config, context.apps, context.number)
        self._context = context
        self._parts = parts or ReplicaParts(context.engine, context.metrics_dir, context.followed)
        self._changing = asyncio.Lock()
        self._refusal: str | None = None

    async def __serve_build_asgi_app__(self) -> ASGIApp:
        context = self._context
        log_requests()
        gc.set_threshold(*_GARBAGE_THRESHOLDS)
        if os.environ.get("NICHE_DEBUG_LOOP") == "1":
            watch_running_loop()
        if context.metrics_dir is not None:
            self._forgetting = asyncio.create_task(self._forget(context.metrics_dir))
        try:
            self._desired = self._desired.or_newer(context.desired)
        except Exception:  # noqa: BLE001 - what this replica was started with is better than none
            _log.exception("%s cannot be read; a replica begins as the stack did", context.desired)
        dependencies = await self._parts.dependencies(self._desired)
        self._app = ReplaceableApp(await asyncio.to_thread(build_app, dependencies))
        if context.desired is not None:
            self._following = asyncio.create_task(self._follow())
        return self._app

    async def confirm(self, number: int) -> str | None:
        """Returns when it serves this change or a later one, or with the reason why it serves what
        it did before."""
        await self._look()
        if self._desired.number < number:
            return f"it does not see the change {number}"
        return self._refusal

    async def drained(self) -> None:
        """Returns when the requests have ended that began before the last change, or after as long
        as Serve would let a replica drain: pools that they use may end then."""
        await self._app.drained(self._desired.config.gateway.drain_seconds)

    async def _forget(self, metrics_dir: Path) -> None:
        """Again and again, since one that hangs is killed after its successor has started."""
        while True:
            try:
                lost = forget_dead_processes(metrics_dir, psutil.pid_exists)
                self._parts.metrics.requests_lost.inc(lost)
            except Exception:  # noqa: BLE001 - must go on, or gauges of the dead stay in the sums
                _log.exception("ended processes could not be forgotten; will retry")
            await asyncio.sleep(_FORGET_SECONDS)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self._look()

    async def _until_healthy(self, app: Starlette) -> None:
        """Waits until an app knows as many models to be up as the one before it: the handle of a
        pool's new application learns of its replicas after a moment."""
        before = await self._app.current.state.readiness.failing()
        until = time.monotonic() + _HEALTHY_SECONDS
        while (await app.state.readiness.failing()).keys() - before.keys():
            if time.monotonic() > until:
                return
            await asyncio.sleep(0.1)

    async def _look(self) -> None:
        """Comes to what the file says, while requests are answered."""
        async with self._changing:
            number = self._desired.number
            try:
                desired = self._desired.or_newer(self._context.desired)
                if desired is self._desired:
                    return
                number = desired.number
                await self._become(desired)
                self._desired, self._refusal = desired, None
            except Exception as error:  # noqa: BLE001 - no change may end a replica that serves
                _log.exception("a replica serves on as before")
                self._desired = replace(self._desired, number=number)
                self._refusal = str(error) or type(error).__name__

    async def _become(self, desired: DesiredState) -> None:
        """Answers with the app of another state; closes what was opened for one that cannot be."""
        async with AsyncExitStack() as closing:
            dependencies = await self._parts.dependencies(desired)
            app = await asyncio.to_thread(build_app, dependencies, closing)
            await self._until_healthy(app)
            await self._app.replace(app)


def build_gateway(config: NicheConfig, context: GatewayContext) -> serve.Application:
    """The Serve application that answers HTTP."""
    variables = _ONE_LOOP | _BODIES_GO_BACK
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
        # One that hangs is replaced after three late answers, and its requests end then.
        health_check_period_s=2,
        health_check_timeout_s=5,
        graceful_shutdown_timeout_s=config.gateway.drain_seconds,
    )(serve.ingress()(Gateway)).bind(config, context)
