"""Composes the HTTP edge from its dependencies; importing this module has no effects.

CORS and AllowedHosts are there where they are asked for:

CORS -> Recording -> ErrorHandling -> AllowedHosts -> Authentication -> Admission -> routes
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Scope

from deployments.protocol import TellsEngineStats, TellsExpectedWait
from gateway.admission import Admission, BodyRoom, Slots
from gateway.allowed_hosts import AllowedHosts
from gateway.authentication import ApiKeys, Authentication
from gateway.completions import Completions
from gateway.config import GatewaySection
from gateway.decider import AutoRouter, Decider
from gateway.decision_log import DecisionLog, LoggedDecision
from gateway.dependencies import Dependencies, Service
from gateway.dialects.embeddings import parse_embedding
from gateway.dialects.messages import parse_messages
from gateway.dialects.messages_errors import message_error
from gateway.dialects.parse import parse_chat, parse_text
from gateway.dialects.rerank import parse_rerank
from gateway.dialects.responses import parse_responses
from gateway.dialects.responses_places import responses_error
from gateway.endpoints import Catalogue, Description, Exposition, Probes
from gateway.errors import MethodNotAllowed, PathNotFound
from gateway.evidence.endpoints import EvidenceEndpoints
from gateway.evidence.evaluation import OnlineEvaluation, ShadowTap, build_online_evaluation
from gateway.evidence.shadow import GatewayState
from gateway.explainer import ThreadExplainer
from gateway.images import Images
from gateway.log import RequestLog
from gateway.metrics import ErrorMetrics, RequestMetrics
from gateway.middleware import ErrorDialect, ErrorHandling, Recording
from gateway.observer import Observers, RequestObserver
from gateway.openapi import ANSWER_HEADERS, describe
from gateway.page.assets import Page
from gateway.preview import Preview
from gateway.prompt_rooms import PromptRooms
from gateway.readiness import Check, Readiness
from gateway.record import Record
from gateway.scoring import BatchingScorer, CachingScorer, Explainer, Scorer
from gateway.specialists.endpoints import SpecialistEndpoints
from gateway.stored_responses.endpoints import ResponseEndpoints, StoredResponses
from gateway.stored_responses.opening import opened
from gateway.stored_responses.store import ResponseStore
from gateway.token_counting import TokenCounting
from gateway.tracing.spans import Tracing
from router.classifier import Classifier
from router.dispatch import Dispatcher
from router.health import Health
from router.policy import Access

Observe = Callable[[Scope, Record], RequestObserver]
_Asking = tuple[Decider, Images, Dispatcher]

_EMBEDDINGS, _RERANK = "/v1/embeddings", "/v1/rerank"
"""Where there is nothing to decide, nor to compare."""

_RESPONSES = "/v1/responses"
_MESSAGES, _COUNT_TOKENS = "/v1/messages", "/v1/messages/count_tokens"
_ERROR_DIALECTS: dict[str, ErrorDialect] = {
    _MESSAGES: message_error,
    _RESPONSES: responses_error,
}
"""How errors are written at the paths that begin so; elsewhere as OpenAI's."""
_ID_HEADERS = {_MESSAGES: "request-id"}
"""What Anthropic's clients read a request's id from, beside `x-request-id`."""


def build_app(dependencies: Dependencies, closing: AsyncExitStack | None = None) -> Starlette:
    """The gateway as an ASGI application, made on any thread: it opens files and asks servers.

    `closing` closes what was opened, until the app starts: that closes it at its end, then.

    Raises:
        OSError: `gateway.api_keys_file` cannot be read.
        ValueError: that file holds no key, or a line that is none.
        ConfigError: the decision log or a store cannot be written.
    """
    closing = AsyncExitStack() if closing is None else closing
    tracing, limits = _tracing(dependencies, closing), dependencies.config.gateway
    slots, keys = Slots(limits.max_concurrent_requests), _keys(limits)
    scorer, readiness = _scorer(dependencies, closing), _readiness(dependencies)
    state = GatewayState(lambda: slots.taken, readiness.down)
    _tell_deployments(dependencies)
    evaluation = build_online_evaluation(dependencies, state, closing)
    images = Images(limits.images, dependencies.connect_to_images)
    asking = _asking(dependencies, readiness, scorer, evaluation, images)
    store = _response_store(dependencies, closing)
    answering = _answering_routes(dependencies, asking, store)
    log = _decision_log(dependencies, closing)
    observe = _observe(dependencies, answering, evaluation, log, tracing)
    app = Starlette(
        routes=[
            *answering,
            Route(_COUNT_TOKENS, TokenCounting(dependencies, *asking), methods=["POST"]),
            _preview_route(dependencies, readiness, scorer, evaluation, closing),
            *_reading_routes(dependencies, readiness),
            *_stored_response_routes(ResponseEndpoints(store)),
            *_evidence_routes(EvidenceEndpoints(dependencies, evaluation)),
            *_specialist_routes(SpecialistEndpoints(limits, dependencies.stack_file)),
        ],
        middleware=_middleware(dependencies, observe, keys, slots),
        exception_handlers={HTTPException: _translate},
        lifespan=_lifespan([*dependencies.services, images], readiness, evaluation, closing),
    )
    app.state.readiness = readiness
    app.router.redirect_slashes = False  # a redirected POST loses its body in many clients
    return app


def _cors(origins: Sequence[str]) -> list[Middleware]:
    """Outermost: a browser asks for permission without a key, and reads errors as well."""
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=[*ANSWER_HEADERS, *_ID_HEADERS.values(), "retry-after"],
        )
    ]


def _middleware(
    dependencies: Dependencies, observe: Observe, keys: ApiKeys | None, slots: Slots
) -> list[Middleware]:
    edge = dependencies.config.gateway
    return [
        *_cors(edge.cors_allow_origins),
        Middleware(Recording, observe=observe, clock=dependencies.clock, id_headers=_ID_HEADERS),
        Middleware(ErrorHandling, dialects=_ERROR_DIALECTS),
        *([Middleware(AllowedHosts, hosts=edge.allowed_hosts)] if edge.allowed_hosts else []),
        Middleware(Authentication, keys=keys),
        Middleware(Admission, slots=slots, bodies=BodyRoom(edge.body_room_bytes)),
    ]


def _observe(
    dependencies: Dependencies,
    answering: Sequence[Route],
    evaluation: OnlineEvaluation | None,
    decisions: DecisionLog | None,
    tracing: Tracing | None,
) -> Observe:
    """Composes the observer of each request. The record comes first: the others read it."""
    metrics = dependencies.metrics
    timeout = dependencies.config.gateway.request_timeout_seconds
    answer_paths = {route.path for route in answering}

    def observe(scope: Scope, record: Record) -> RequestObserver:
        observers: list[RequestObserver] = [
            record,
            RequestLog(record, scope),
            ErrorMetrics(metrics, record),
        ]
        if scope["path"] in answer_paths and scope["method"] == "POST":
            observers.append(RequestMetrics(metrics, record))
            if tracing is not None:
                observers.append(tracing.begin(scope, record))
            decided = scope["path"] not in (_EMBEDDINGS, _RERANK)
            if evaluation is not None and decided:
                observers.append(ShadowTap(evaluation, record, scope, timeout))
            if decisions is not None and decided:
                observers.append(LoggedDecision(decisions, record))
        return Observers(observers)

    return observe


def _lifespan(
    services: Sequence[Service],
    readiness: Readiness,
    evaluation: OnlineEvaluation | None,
    closing: AsyncExitStack,
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Runs the services and the background tasks while the app serves requests, and closes what was
    opened for it, each part whatever comes of the others."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with closing.pop_all() as ending:
            for service in services:
                ending.push_async_callback(service.stop)  # a shared one counts a failed start too
                await service.start()
            if evaluation is not None:
                ending.push_async_callback(evaluation.close)
                ending.callback(asyncio.create_task(evaluation.keep_going()).cancel)
            ending.callback(asyncio.create_task(readiness.keep_asking()).cancel)
            yield

    return lifespan


def _keys(limits: GatewaySection) -> ApiKeys | None:
    return ApiKeys.from_file(Path(limits.api_keys_file)) if limits.api_keys_file else None


def _scorer(dependencies: Dependencies, closing: AsyncExitStack) -> Scorer:
    classifier, settings = dependencies.classifier, dependencies.config.router
    scorer: Scorer
    if isinstance(classifier, Classifier):
        on_batch = dependencies.metrics.router_batch_size.observe
        scorer = batching = BatchingScorer(classifier.scores, settings.max_batch_size, on_batch)
        closing.callback(batching.close)
    else:
        scorer = classifier
    return CachingScorer(scorer, settings.cached_scores) if settings.cached_scores else scorer


def _tell_deployments(dependencies: Dependencies) -> None:
    config, metrics = dependencies.config, dependencies.metrics
    for spec in config.models:
        pool = config.pool_of(spec.name)
        metrics.model_info.labels(spec.name, "gateway" if pool is None else pool.name).set(1)
        metrics.streams_cut.labels(spec.name)  # Prometheus sees no growth of what begins with 1


def _explainer(dependencies: Dependencies, closing: AsyncExitStack) -> Explainer:
    classifier = dependencies.classifier
    if not isinstance(classifier, Classifier):
        return classifier
    explainer = ThreadExplainer(classifier.rationale)
    closing.callback(explainer.close)
    return explainer


def _decision_log(dependencies: Dependencies, closing: AsyncExitStack) -> DecisionLog | None:
    settings = dependencies.config.observability.decision_log
    if settings is None:
        return None
    log = DecisionLog(
        settings, dependencies.wall_clock, dependencies.metrics.decision_log_drops.inc
    )
    closing.push_async_callback(asyncio.to_thread, log.close)
    return log


def _response_store(dependencies: Dependencies, closing: AsyncExitStack) -> ResponseStore | None:
    section = dependencies.config.gateway.response_store
    if section is None:
        return None
    store = opened(section, dependencies.wall_clock)
    closing.push_async_callback(store.close)
    return store


def _tracing(dependencies: Dependencies, closing: AsyncExitStack) -> Tracing | None:
    provider = dependencies.tracer_provider  # its thread runs already: closed whatever fails
    if provider is None:
        return None
    # It waits for a collector that does not answer, and another app may serve on this loop.
    closing.push_async_callback(asyncio.to_thread, provider.shutdown)
    return Tracing(
        provider.get_tracer("niche.gateway"), dependencies.clock, dependencies.wall_clock
    )


def _readiness(dependencies: Dependencies) -> Readiness:
    timeout, interval = (
        dependencies.readiness_timeout_seconds,
        dependencies.readiness_interval_seconds,
    )

    def tell(name: str, can: bool) -> None:
        dependencies.metrics.up.labels(name).set(can)
        backend: object = dependencies.backends.get(name)
        if isinstance(backend, TellsExpectedWait):
            dependencies.metrics.expected_wait.labels(name).set(backend.expected_wait(name))
        pool = dependencies.config.pool_of(name)
        if pool is not None and isinstance(backend, TellsEngineStats):
            dependencies.metrics.tell_engines(pool.name, backend.engine_stats)

    return Readiness(_checks(dependencies), dependencies.clock, timeout, interval, tell)


def _checks(dependencies: Dependencies) -> dict[str, Check]:
    """The health checks of the models, and of a deployed classifier."""
    backends, classifier = dependencies.backends, dependencies.classifier
    checks: dict[str, Check] = {name: partial(of.health, name) for name, of in backends.items()}
    if not isinstance(classifier, Classifier):
        checks["router/classifier"] = classifier.health
    return checks


def _evidence_routes(endpoints: EvidenceEndpoints) -> list[Route]:
    return [
        Route("/v1/feedback", endpoints.feedback, methods=["POST"]),
        Route("/v1/niche/evidence", endpoints.evidence),
        Route("/v1/niche/pairs/{request_id}", endpoints.pairs),
        Route("/v1/niche/lifecycle/{model}", endpoints.order, methods=["POST"]),
    ]


def _specialist_routes(endpoints: SpecialistEndpoints) -> list[Route]:
    return [
        Route("/v1/niche/specialists", endpoints.add, methods=["POST"]),
        Route("/v1/niche/specialists/{name}", endpoints.remove, methods=["DELETE"]),
    ]


def _asking(
    dependencies: Dependencies,
    readiness: Readiness,
    scorer: Scorer,
    evaluation: OnlineEvaluation | None,
    images: Images,
) -> _Asking:
    """What chooses models for requests, what shows them images, and what asks them."""
    config, clock = dependencies.config, dependencies.clock
    health = Health(spec.name for spec in config.models)

    def available(model: str) -> bool:
        # `Health` comes last: its yes may grant the one probe of a broken model.
        return not readiness.down(model) and health.available(model, clock())

    access = Access(available, _active(evaluation))
    router = AutoRouter(dependencies.policy, scorer, access)
    decider = Decider(config, router, _rooms(dependencies))
    dispatcher = Dispatcher(
        dependencies.backends,
        health,
        clock,
        config.gateway.first_token_timeout_seconds,
        readiness.down,
        config.gateway.token_timeout_seconds,
    )
    return decider, images, dispatcher


def _rooms(dependencies: Dependencies) -> PromptRooms:
    generating = (spec.name for spec in dependencies.config.generating)
    return PromptRooms(dependencies.backends, generating)


def _answering_routes(
    dependencies: Dependencies,
    asking: _Asking,
    store: ResponseStore | None,
) -> list[Route]:
    """The endpoints whose requests are counted, traced and logged as requests for an answer."""
    parsers = {
        "/v1/chat/completions": parse_chat,
        "/v1/completions": parse_text,
        _RESPONSES: parse_responses,
        _EMBEDDINGS: parse_embedding,
        _MESSAGES: parse_messages,
        _RERANK: parse_rerank,
    }
    completions = {
        path: Completions(dependencies, *asking, parse) for path, parse in parsers.items()
    }
    endpoints: dict[str, ASGIApp] = {**completions}
    if store is not None:
        endpoints[_RESPONSES] = StoredResponses(completions[_RESPONSES], store)
    return [Route(path, endpoint, methods=["POST"]) for path, endpoint in endpoints.items()]


def _stored_response_routes(endpoints: ResponseEndpoints) -> list[Route]:
    path = f"{_RESPONSES}/{{response_id}}"
    return [Route(path, endpoints.read), Route(path, endpoints.delete, methods=["DELETE"])]


def _preview_route(
    dependencies: Dependencies,
    readiness: Readiness,
    scorer: Scorer,
    evaluation: OnlineEvaluation | None,
    closing: AsyncExitStack,
) -> Route:
    # Without `Health`: its yes may grant a probe, and a preview asks no model.
    access = Access(lambda model: not readiness.down(model), _active(evaluation))
    router = AutoRouter(dependencies.policy, scorer, access)
    preview = Preview(dependencies, router, _explainer(dependencies, closing))
    return Route("/v1/niche/route", preview, methods=["POST"])


def _reading_routes(dependencies: Dependencies, readiness: Readiness) -> list[Route]:
    config = dependencies.config
    created = int(dependencies.wall_clock())
    catalogue = Catalogue(config, readiness, _rooms(dependencies), created)
    probes = Probes(readiness, (spec.name for spec in config.generating))
    metrics = Exposition(
        dependencies.metrics.registry, dependencies.multiprocess_dir, dependencies.clock
    )
    described = describe(
        keys=config.gateway.api_keys_file is not None, metrics=config.gateway.public_metrics
    )
    description = Description(described)
    page = Page()
    return [
        Route("/", page.front),
        Route("/page/{name}", page.asset),
        Route("/v1/models", catalogue.every),
        Route("/v1/models/{model}", catalogue.one),
        Route("/healthz", probes.alive),
        Route("/readyz", probes.ready),
        *([Route("/metrics", metrics.scrape)] if config.gateway.public_metrics else ()),
        Route("/openapi.json", description.read),
    ]


def _active(evaluation: OnlineEvaluation | None) -> Callable[[str], bool]:
    """Whether a specialist gets traffic; without an online evaluation every specialist does."""
    return (lambda _: True) if evaluation is None else evaluation.states.active


def _translate(request: Request, error: Exception) -> NoReturn:
    """Translates Starlette's routing errors into gateway errors."""
    status = getattr(error, "status_code", None)
    path = ascii(request.url.path[:80])
    if status == 404:
        raise PathNotFound(f"Nothing is served at {path}; see /openapi.json.") from None
    if status == 405:
        headers = {"allow": ", ".join(_methods(request))}
        raise MethodNotAllowed(f"{path} does not take {request.method}.", headers=headers) from None
    raise error


def _methods(request: Request) -> list[str]:
    """What the path takes; Starlette names the methods of its first route alone."""
    routes = [of for of in request.app.routes if of.matches(request.scope)[0] != Match.NONE]
    return sorted({method for route in routes for method in route.methods})
