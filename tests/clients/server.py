"""A gateway on loopback with models of the fake engine, for clients of other environments.

    python -m tests.clients.server

It prints its address and serves until its stdin closes.
"""

import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from deployments.capability import Capability
from deployments.engine import Engine, EngineContext, create_engines
from deployments.protocol import Chunk, ModelRequest, Overloaded
from deployments.spec import ModelSpec
from gateway.app import build_app
from gateway.config import GatewaySection, NicheConfig, ResponseStoreSection
from gateway.dependencies import Dependencies
from gateway.metrics import Metrics
from router.config import RouterConfig
from router.policy import Policy
from tests.clients.material import KEY
from tests.fakes import FakeClassifier
from tests.gateway.stacks import on_loopback


def fake(name: str, **more: Any) -> ModelSpec:
    return ModelSpec(name=name, model="none", engine="fake", **more)


CONFIG = NicheConfig(
    generalist=fake("generalist", capabilities=set(Capability) - {Capability.LOGIT_BIAS}),
    specialists=(
        fake("sql", domain="sql"),
        fake(
            "slow",
            domain="slow",
            engine_options={"token_seconds": 0.05, "reply": "word " * 1000},
        ),
        fake("breaking", domain="breaking", engine_options={"break_after_tokens": 2}),
        fake("busy", domain="busy"),
    ),
    embeddings=(fake("vectors", kind="embedding"),),
)
"""`auto` asks a specialist whose name, in capitals, is in the text. All but the generalist see no
images."""


class Busy:
    """An engine that refuses a request and takes the next one that is the same."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._refused = engine, set[bytes]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        self._admit(request)
        async for chunk in self._engine.stream(request):
            yield chunk

    async def complete(self, request: ModelRequest) -> Chunk:
        self._admit(request)
        return await self._engine.complete(request)

    def _admit(self, request: ModelRequest) -> None:
        self._refused ^= {request.body}
        if request.body in self._refused:
            raise Overloaded(request.model, 1, retry_after_seconds=1)


def app(keys_file: Path) -> ASGIApp:
    store = ResponseStoreSection(path=":memory:")
    gateway = GatewaySection(api_keys_file=str(keys_file), response_store=store)
    config = CONFIG.model_copy(update={"gateway": gateway})
    engines = create_engines(
        {spec.name: spec for spec in config.models}, EngineContext(Path("unused"))
    )
    domains = {spec.domain: (spec.name,) for spec in config.specialists if spec.domain}
    dependencies = Dependencies(
        config=config,
        policy=Policy(domains, config.generalist.name, RouterConfig()),
        classifier=FakeClassifier({domain.upper(): domain for domain in domains}),
        backends={**engines, "busy": Busy(engines["busy"])},
        metrics=Metrics(CollectorRegistry()),
        clock=time.monotonic,
        wall_clock=time.time,
    )
    return build_app(dependencies)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="niche-clients-") as folder:
        keys = Path(folder) / "keys"
        keys.write_text(KEY, encoding="utf-8")
        with on_loopback(app(keys)) as address:
            sys.stdout.write(f"{address}\n")
            sys.stdout.flush()
            sys.stdin.read()


if __name__ == "__main__":
    main()
