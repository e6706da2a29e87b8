"""The gateway's dependencies: everything that is passed in, in one frozen value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import SystemRandom
from typing import Protocol

import aiohttp
from opentelemetry.sdk.trace import TracerProvider

from deployments.protocol import Backend
from gateway.config import NicheConfig
from gateway.metrics import Metrics
from gateway.public_network import public_connector
from gateway.scoring import DeployedScorer
from gateway.specialists.stack_file import StackFile
from router.classifier import Classifier
from router.policy import Policy


class Service(Protocol):
    """What works in the background of this process: an engine, a client."""

    async def start(self) -> None:
        """Called before the first request."""

    async def stop(self) -> None:
        """Called after the last request."""


@dataclass(frozen=True)
class Dependencies:
    """The gateway's dependencies.

    Attributes:
        config: the validated configuration.
        policy: chooses the model for `auto`.
        classifier: scores queries, on a thread of this process or in another process.
        backends: a backend for every configured model, by name; several may share one.
        metrics: on the registry that `/metrics` exposes.
        clock: monotonic seconds.
        wall_clock: Unix time in seconds.
        draw: an even number in [0, 1), which no client can foresee.
        judge: the model of `gateway.shadow.judge`; None: no judge.
        connect_to_images: makes the connector to the hosts of `gateway.images`.
        services: what the gateway starts and stops.
        multiprocess_dir: where all gateway processes keep their metrics, if there are several.
        stack_file: the file that the stack follows and requests may change; None: there is none.
        tracer_provider: exports the traces; the gateway shuts it down; None: no traces.
        readiness_timeout_seconds: how long a health check may take.
        readiness_interval_seconds: how often each model is checked.

    Raises:
        ValueError: a configured model has no backend.
    """

    config: NicheConfig
    policy: Policy
    classifier: Classifier | DeployedScorer
    backends: Mapping[str, Backend]
    metrics: Metrics
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    draw: Callable[[], float] = SystemRandom().random
    judge: Backend | None = None
    connect_to_images: Callable[[], aiohttp.BaseConnector] = public_connector
    services: Sequence[Service] = ()
    multiprocess_dir: str | None = None
    stack_file: StackFile | None = None
    tracer_provider: TracerProvider | None = None
    readiness_timeout_seconds: float = 5.0
    readiness_interval_seconds: float = 2.0

    def __post_init__(self) -> None:
        missing = {spec.name for spec in self.config.models} - set(self.backends)
        if missing:
            raise ValueError(f"no backend for {', '.join(sorted(missing))}; pass one each")
