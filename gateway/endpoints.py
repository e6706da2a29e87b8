"""The endpoints that answer from what the gateway knows: models, health, metrics, the API's
description."""

import asyncio
from collections.abc import Mapping

import msgspec
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response

from deployments.protocol import Backend, Unavailable
from gateway.config import NicheConfig
from gateway.errors import ModelNotFound
from gateway.metrics import exposition
from gateway.schemas import AUTO, ModelList, ModelObject, NicheModel
from router.types import GENERAL

__all__ = ["Catalogue", "Description", "Exposition", "Probes"]


class Catalogue:
    """`/v1/models`: `auto`, the generalist, the specialists.

    Args:
        config: names the models.
        created: Unix time in seconds, for all of them: when this gateway started.
    """

    def __init__(self, config: NicheConfig, created: int) -> None:
        auto = ModelObject(id=AUTO, created=created, niche=NicheModel("auto", None, None))
        configured = (
            ModelObject(
                id=spec.name,
                created=created,
                niche=NicheModel(
                    role="generalist" if spec.domain is None else "specialist",
                    domain=spec.domain or GENERAL,
                    engine=spec.engine,
                ),
            )
            for spec in config.models
        )
        self._models = {model.id: model for model in (auto, *configured)}

    async def every(self, _request: Request) -> Response:
        """`GET /v1/models`."""
        return _json(ModelList(data=list(self._models.values())))

    async def one(self, request: Request) -> Response:
        """`GET /v1/models/{model}`.

        Raises:
            ModelNotFound: there is none of this name.
        """
        name = request.path_params["model"]
        if name not in self._models:
            raise ModelNotFound(
                f"No model {name[:80]!r}; there are {', '.join(self._models)}.", "model"
            )
        return _json(self._models[name])


class Probes:
    """`/healthz` says that the process lives; `/readyz` that every model answers within the
    time."""

    def __init__(self, backends: Mapping[str, Backend], timeout_seconds: float) -> None:
        self._backends, self._timeout = backends, timeout_seconds

    async def alive(self, _request: Request) -> Response:
        """`GET /healthz`."""
        return _json({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """`GET /readyz`: 200, or 503 with the models that do not answer and why."""
        verdicts = await asyncio.gather(*map(self._check, self._backends.values()))
        failing = {
            name: why for name, why in zip(self._backends, verdicts, strict=True) if why is not None
        }
        if failing:
            return _json({"status": "unavailable", "models": failing}, 503)
        return _json({"status": "ok"})

    async def _check(self, backend: Backend) -> str | None:
        try:
            async with asyncio.timeout(self._timeout):
                await backend.health()
        except TimeoutError:
            return f"no answer within {self._timeout:g} s"
        except Unavailable as error:
            return error.reason
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the model is not ready
            return type(error).__name__
        return None


class Exposition:
    """`/metrics`, in the format that the scraper asks for."""

    def __init__(self, registry: CollectorRegistry, multiprocess_dir: str | None) -> None:
        self._registry, self._multiprocess_dir = registry, multiprocess_dir

    async def scrape(self, request: Request) -> Response:
        """`GET /metrics`."""
        accept = request.headers.get("accept", "")
        body, content_type = exposition(self._registry, self._multiprocess_dir, accept)
        return Response(body, headers={"content-type": content_type})


class Description:
    """`/openapi.json`, rendered once."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self._body = msgspec.json.encode(document)

    async def read(self, _request: Request) -> Response:
        """`GET /openapi.json`."""
        return Response(self._body, media_type="application/json")


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
