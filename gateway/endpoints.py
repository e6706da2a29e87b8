"""The endpoints that call no model: models, health, metrics, and the OpenAPI document."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Literal

import msgspec
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from deployments.capabilities import capabilities_of, learned_calls_of
from deployments.capability import Capability
from deployments.spec import ModelSpec
from gateway.config import AUTO, NicheConfig
from gateway.errors import ModelNotFound
from gateway.fresh import Fresh
from gateway.metrics import SCRAPE_SECONDS, collected, text_format
from gateway.model_schemas import ModelList, ModelObject, NicheModel
from gateway.prompt_rooms import PromptRooms
from gateway.readiness import Readiness
from router.types import GENERAL


class Catalogue:
    """`/v1/models`: `auto`, the generalist, the specialists, the models that embed, or rank; also
    those that are missing, with the reason.

    Args:
        config: names the models.
        readiness: knows which are missing.
        rooms: knows their contexts.
        created: when this gateway started, in Unix seconds; reported for every model.
    """

    def __init__(
        self, config: NicheConfig, readiness: Readiness, rooms: PromptRooms, created: int
    ) -> None:
        self._readiness, self._rooms = readiness, rooms
        self._generating = [spec.name for spec in config.generating]
        could = frozenset[Capability]().union(*map(capabilities_of, config.generating))
        auto = ModelObject(
            id=AUTO,
            created=created,
            niche=NicheModel("auto", None, None, capabilities=sorted(could)),
        )
        configured = (
            ModelObject(
                id=spec.name,
                created=created,
                niche=_facts(config, spec),
            )
            for spec in config.models
        )
        self._models = {model.id: model for model in (auto, *configured)}

    async def every(self, _request: Request) -> Response:
        """`GET /v1/models`."""
        return _json(ModelList(data=[self._now(model) for model in self._models.values()]))

    async def one(self, request: Request) -> Response:
        """`GET /v1/models/{model}`.

        Raises:
            ModelNotFound: no model has this name.
        """
        name = request.path_params["model"]
        if name not in self._models:
            raise ModelNotFound(
                f"Model {name[:80]!r} does not exist; available: {', '.join(self._models)}.",
                "model",
            )
        return _json(self._now(self._models[name]))

    def _now(self, model: ModelObject) -> ModelObject:
        """The model as the last health checks found it; `auto` needs one that answers with text."""
        context = self._rooms.context_tokens(model.id)
        model = replace(model, niche=replace(model.niche, max_context_tokens=context))
        names = self._generating if model.id == AUTO else [model.id]
        reasons = [self._readiness.reason(name) for name in names]
        if None in reasons:
            return model
        niche = replace(model.niche, available=False, unavailable_reason=reasons[0])
        return replace(model, niche=niche)


class Probes:
    """`/healthz`: the process is alive; `/readyz`: a model can answer.

    Args:
        readiness: knows which cannot.
        generating: the models of which one suffices, since any may be asked for by its name.
    """

    def __init__(self, readiness: Readiness, generating: Iterable[str]) -> None:
        self._readiness, self._generating = readiness, frozenset(generating)

    async def alive(self, _request: Request) -> Response:
        """`GET /healthz`."""
        return _json({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """`GET /readyz`: 200 while a model answers, 503 if none does; `GET /readyz?all`: 200 if all
        do. Names the missing ones, and why."""
        failing = await self._readiness.failing()
        if not failing:
            return _json({"status": "ok"})
        if "all" in request.query_params or self._generating <= failing.keys():
            return _json({"status": "unavailable", "models": failing}, 503)
        return _json({"status": "degraded", "models": failing})


class Exposition:
    """`/metrics`, in the format that the scraper's `Accept` header asks for.

    Args:
        registry, multiprocess_dir: as of `gateway.metrics.collected`.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        multiprocess_dir: str | None,
        clock: Callable[[], float],
    ) -> None:
        self._registry, self._multiprocess_dir = registry, multiprocess_dir
        self._clock = clock
        self._written: dict[str, Fresh[bytes]] = {}

    async def scrape(self, request: Request) -> Response:
        """`GET /metrics`."""
        encode, content_type = text_format(request.headers.get("accept", ""))
        if content_type not in self._written:
            write = partial(asyncio.to_thread, self._write, encode)
            self._written[content_type] = Fresh(write, self._clock, SCRAPE_SECONDS)
        body = await self._written[content_type].get()
        return Response(body, headers={"content-type": content_type})

    def _write(self, encode: Callable[[Collector], bytes]) -> bytes:
        return encode(collected(self._registry, self._multiprocess_dir))


class Description:
    """`/openapi.json`, rendered once."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self._body = msgspec.json.encode(document)

    async def read(self, _request: Request) -> Response:
        """`GET /openapi.json`."""
        return Response(self._body, media_type="application/json")


def _facts(config: NicheConfig, spec: ModelSpec) -> NicheModel:
    pool = _shared_pool(config, spec.name)
    if spec.kind != "generation":
        return NicheModel(spec.kind, None, spec.engine, pool)
    role: Literal["generalist", "specialist"] = "specialist" if spec.domain else "generalist"
    able, learned = sorted(capabilities_of(spec)), learned_calls_of(spec)
    functions = () if learned is None else learned.names
    return NicheModel(role, spec.domain or GENERAL, spec.engine, pool, able, functions=functions)


def _shared_pool(config: NicheConfig, model: str) -> str | None:
    pool = config.pool_of(model)
    return pool.name if pool is not None and pool.shared else None


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
