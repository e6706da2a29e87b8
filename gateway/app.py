"""The composition of the HTTP edge: everything is passed in, and importing this does nothing.

Recording -> Faults -> Authentication -> Admission -> routes
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from opentelemetry.sdk.trace import TracerProvider
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Route

from deployments.engine import Engine
from deployments.protocol import Backend
from gateway.admission import Admission, Slots
from gateway.authentication import ApiKeys, Authentication
from gateway.completions import Completions, Services
from gateway.config import NicheConfig
from gateway.decider import Access, AutoRouter, Decider
from gateway.decision_log import DecisionLog
from gateway.dialects.parse import parse_chat, parse_text
from gateway.endpoints import Catalogue, Description, Exposition, Probes
from gateway.errors import MethodNotAllowed, PathNotFound
from gateway.evidence.endpoints import LiveEndpoints
from gateway.evidence.live import Live, Surroundings, build_live
from gateway.metrics import Metrics
from gateway.middleware import Faults, Recording
from gateway.openapi import describe
from gateway.page.assets import Page
from gateway.preview import Preview
from gateway.readiness import Part, Readiness
from gateway.scoring import BatchingScorer, DeployedScorer, Scorer
from gateway.tracing.spans import Tracing
from router.classifier import Classifier
from router.dispatch import Dispatcher
from router.health import Health
from router.policy import Policy


@dataclass(frozen=True)
class Stack:
    """What a gateway is made of.

    Attributes:
        config: the validated configuration.
        policy: chooses models for `auto`.
        backends: a backend for every configured model, by name.
        metrics: on the registry that `/metrics` shows.
        clock: monotonic seconds.
        wall_clock: Unix time in seconds.
        classifier: scores queries for the policy: on a thread of this process, or elsewhere.
        judge: compares answers for `gateway.shadow`; None: nobody does.
        multiprocess_dir: where all processes keep their metrics, if there are several.
        tracer_provider: keeps the traces of requests, and is shut down at the end; None: untraced.
        readiness_timeout_seconds: how long a model may take to say how it is.
        readiness_interval_seconds: how often each is asked.

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
    judge: Engine | None = None
    multiprocess_dir: str | None = None
    tracer_provider: TracerProvider | None = None
    readiness_timeout_seconds: float = 5.0
    readiness_interval_seconds: float = 2.0

    def __post_init__(self) -> None:
        missing = {spec.name for spec in self.config.models} - set(self.backends)
        if missing:
            raise ValueError(f"no backend for {', '.join(sorted(missing))}; pass one each")


def build_app(stack: Stack) -> Starlette:
    """The gateway as an ASGI application.

    Raises:
        OSError: `gateway.api_keys_file` cannot be read.
        ValueError: it holds no key.
        ConfigError: the decision log or the store of `gateway.shadow` cannot be written.
    """
    limits = stack.config.gateway
    slots = Slots(limits.max_concurrent_requests)
    keys = ApiKeys.from_file(Path(limits.api_keys_file)) if limits.api_keys_file else None
    closing = ExitStack()
    recording = _recording(stack, closing)
    scorer = _scorer(stack, closing)
    readiness = _readiness(stack)
    around = _surroundings(stack, readiness, slots)
    live = build_live(around)
    app = Starlette(
        routes=[
            *_routes(stack, readiness),
            *_answering_routes(
                _services(stack, readiness, scorer, live),
                _preview(stack, readiness, scorer, live),
            ),
            *_live_routes(LiveEndpoints(around, live)),
        ],
        middleware=[
            recording,
            Middleware(Faults),
            Middleware(Authentication, keys=keys),
            Middleware(Admission, slots=slots),
        ],
        exception_handlers={HTTPException: _translate},
        lifespan=_lifespan(readiness, live, closing),
    )
    app.router.redirect_slashes = False  # a redirected POST loses its body in many clients
    return app


def _lifespan(
    readiness: Readiness, live: Live | None, closing: ExitStack
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """What runs beside the requests, from the first to the last."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(readiness.keep_asking())]
        if live is not None:
            tasks.append(asyncio.create_task(live.keep_going()))
        yield
        for task in tasks:
            task.cancel()
        if live is not None:
            await live.close()
        closing.close()

    return lifespan


def _scorer(stack: Stack, closing: ExitStack) -> Scorer:
    if not isinstance(stack.classifier, Classifier):
        return stack.classifier
    on_batch = stack.metrics.router_batch_size.observe
    scorer = BatchingScorer(stack.classifier.scores, stack.config.router.max_batch_size, on_batch)
    closing.callback(scorer.close)
    return scorer


def _recording(stack: Stack, closing: ExitStack) -> Middleware:
    return Middleware(
        Recording,
        metrics=stack.metrics,
        clock=stack.clock,
        decisions=_decision_log(stack, closing),
        tracing=_tracing(stack, closing),
    )


def _decision_log(stack: Stack, closing: ExitStack) -> DecisionLog | None:
    settings = stack.config.observability.decision_log
    if settings is None:
        return None
    log = DecisionLog(settings, stack.wall_clock, stack.metrics.decision_log_drops.inc)
    closing.callback(log.close)
    return log


def _tracing(stack: Stack, closing: ExitStack) -> Tracing | None:
    provider = stack.tracer_provider
    if provider is None:
        return None
    closing.callback(provider.shutdown)
    return Tracing(provider.get_tracer("niche.gateway"), stack.clock, stack.wall_clock)


def _readiness(stack: Stack) -> Readiness:
    timeout, interval = stack.readiness_timeout_seconds, stack.readiness_interval_seconds
    up = stack.metrics.up
    return Readiness(
        _parts(stack), stack.clock, timeout, interval, lambda name, can: up.labels(name).set(can)
    )


def _parts(stack: Stack) -> dict[str, Part]:
    """What must answer: the models, and the classifier, whose name no model can have."""
    classifier = stack.classifier
    if isinstance(classifier, Classifier):
        return dict(stack.backends)
    return {**stack.backends, "router/classifier": classifier}


def _surroundings(stack: Stack, readiness: Readiness, slots: Slots) -> Surroundings:
    return Surroundings(
        config=stack.config,
        backends=stack.backends,
        judge=stack.judge,
        registry=stack.metrics.registry,
        multiprocess_dir=stack.multiprocess_dir,
        clock=stack.clock,
        wall_clock=stack.wall_clock,
        in_flight=lambda: slots.taken,
        down=readiness.down,
    )


def _live_routes(endpoints: LiveEndpoints) -> list[Route]:
    return [
        Route("/v1/feedback", endpoints.feedback, methods=["POST"]),
        Route("/v1/niche/evidence", endpoints.evidence),
        Route("/v1/niche/pairs/{request_id}", endpoints.pairs),
        Route("/v1/niche/lifecycle/{model}", endpoints.order, methods=["POST"]),
    ]


def _answering_routes(services: Services, preview: Preview) -> list[Route]:
    return [
        Route("/v1/chat/completions", Completions(services, parse_chat), methods=["POST"]),
        Route("/v1/completions", Completions(services, parse_text), methods=["POST"]),
        Route("/v1/niche/route", preview, methods=["POST"]),
    ]


def _routes(stack: Stack, readiness: Readiness) -> list[Route]:
    catalogue = Catalogue(stack.config, int(stack.wall_clock()))
    probes = Probes(readiness)
    metrics = Exposition(stack.metrics.registry, stack.multiprocess_dir)
    description = Description(describe())
    page = Page()
    return [
        Route("/", page.front),
        Route("/page/{name}", page.asset),
        Route("/v1/models", catalogue.every),
        Route("/v1/models/{model}", catalogue.one),
        Route("/healthz", probes.alive),
        Route("/readyz", probes.ready),
        Route("/metrics", metrics.scrape),
        Route("/openapi.json", description.read),
    ]


def _preview(stack: Stack, readiness: Readiness, scorer: Scorer, live: Live | None) -> Preview:
    # Not by `Health`: its yes may be the permission to probe, and a preview asks no model.
    access = Access(lambda model: not readiness.down(model), _active(live))
    limits = stack.config.gateway
    body = limits.max_body_bytes, limits.body_timeout_seconds
    return Preview(AutoRouter(stack.policy, scorer, access), body)


def _active(live: Live | None) -> Callable[[str], bool]:
    """Which specialists get traffic: each, where nothing is compared."""
    return (lambda _: True) if live is None else live.selection.active


def _services(stack: Stack, readiness: Readiness, scorer: Scorer, live: Live | None) -> Services:
    health = Health(spec.name for spec in stack.config.models)

    def available(model: str) -> bool:
        # In this order: a yes of `Health` may be the permission to probe.
        return not readiness.down(model) and health.available(model, stack.clock())

    router = AutoRouter(stack.policy, scorer, Access(available, _active(live)))
    return Services(
        config=stack.config,
        decider=Decider(stack.config, router, stack.metrics, stack.clock),
        dispatcher=Dispatcher(
            stack.backends,
            health,
            stack.clock,
            stack.config.gateway.first_token_timeout_seconds,
            readiness.down,
        ),
        metrics=stack.metrics,
        clock=stack.clock,
        wall_clock=stack.wall_clock,
        live=live,
    )


def _translate(request: Request, error: Exception) -> NoReturn:
    """Starlette's own refusals become ours, and are rendered where all are."""
    status = getattr(error, "status_code", None)
    headers = getattr(error, "headers", None)
    path = ascii(request.url.path[:80])
    if status == 404:
        raise PathNotFound(f"Nothing is served at {path}; see /openapi.json.") from None
    if status == 405:
        raise MethodNotAllowed(f"{path} does not take {request.method}.", headers=headers) from None
    raise error
