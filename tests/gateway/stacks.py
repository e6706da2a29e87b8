"""Gateways for tests: real routing and dispatch over fake models, and clients that talk to them."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import uvicorn
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.types import ASGIApp

from deployments.engine import Engine, EngineContext, create_engines
from deployments.protocol import Backend
from deployments.spec import ModelSpec, Price
from gateway.app import build_app
from gateway.config import (
    DecisionLogSection,
    GatewaySection,
    NicheConfig,
    ObservabilitySection,
)
from gateway.dependencies import Dependencies
from gateway.metrics import Metrics
from gateway.public_network import public_connector
from gateway.scoring import DeployedScorer
from gateway.specialists.stack_file import StackFile
from router.config import RouterConfig, SelectionConfig
from router.guarantee import Guarantee
from router.policy import Policy
from tests.fakes import FakeBackend, FakeClassifier, FakeClock

CHAT: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "please SELECT"}]}
"""A chat that the fake classifier sends to the specialist `sql-model`."""

GENERALIST = ModelSpec(
    name="big",
    model="none",
    engine="fake",
    price=Price(
        prompt_per_million_tokens=10, completion_per_million_tokens=20, machine_per_hour=36
    ),
)
SPECIALIST = ModelSpec(
    name="sql-model",
    model="none",
    engine="fake",
    domain="sql",
    price=Price(prompt_per_million_tokens=1, completion_per_million_tokens=2, machine_per_hour=7.2),
)
EMBEDDER = ModelSpec(
    name="vectors",
    model="none",
    kind="embedding",
    engine="fake",
    price=Price(prompt_per_million_tokens=3),
)
"""A model that embeds, deterministically."""
RANKER = EMBEDDER.model_copy(update={"name": "ranker", "kind": "reranking"})
"""A model that ranks by the words that a document has of the query."""

_CONTEXT = EngineContext(Path("unused"))


@dataclass
class Gateway:
    """An app and everything it was made of."""

    app: Starlette
    metrics: Metrics
    clock: FakeClock
    big: FakeBackend
    sql: FakeBackend
    classifier: FakeClassifier = field(repr=False)
    backends: Mapping[str, Backend] = field(default_factory=dict, repr=False)
    ids: dict[str, str] = field(default_factory=dict)
    """The gateway's ids of requests, by the client's."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """From the app's start to its end, which a client alone does not bring about."""
        async with self.app.router.lifespan_context(self.app):
            yield

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client that calls the app in this event loop, without a socket."""
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            yield client

    async def post(
        self, body: Any, path: str = "/v1/chat/completions", **headers: str
    ) -> httpx.Response:
        """Posts JSON."""
        async with self.client() as client:
            response = await client.post(path, json=body, headers=headers)
        if (name := headers.get("x-client-request-id")) is not None:
            self.ids[name] = response.headers["x-request-id"]
        return response

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Gets a path."""
        async with self.client() as client:
            return await client.get(path, headers=headers)

    def sample(self, name: str, **labels: str) -> float | None:
        """The value of a metric."""
        return self.metrics.registry.get_sample_value(name, labels)


def make_gateway(
    big: FakeBackend | None = None,
    sql: FakeBackend | None = None,
    *,
    trial: FakeBackend | None = None,
    classifier: FakeClassifier | None = None,
    scorer: DeployedScorer | None = None,
    judge: Engine | None = None,
    engines: Sequence[Engine] = (),
    specialist: ModelSpec = SPECIALIST,
    generalist: ModelSpec = GENERALIST,
    embeddings: Sequence[ModelSpec] = (),
    rerankers: Sequence[ModelSpec] = (),
    quality_point_worth: float | None = None,
    guarantee: Guarantee | None = None,
    decision_log: DecisionLogSection | None = None,
    stack_file: StackFile | None = None,
    connect_to_images: Callable[[], aiohttp.BaseConnector] = public_connector,
    draw: Callable[[], float] = lambda: 0.0,
    multiprocess_dir: str | None = None,
    tracer_provider: TracerProvider | None = None,
    **limits: Any,
) -> Gateway:
    """A gateway with a generalist `big`, `sql-model` for prompts that say SELECT, another one that
    begins in the shadow if there is a `trial`, and models of the fake engine that embed, or rank.
    """
    big, sql = big or FakeBackend("big"), sql or FakeBackend("sql-model")
    classifier = classifier or FakeClassifier({"SELECT": "sql"})
    silent = {spec.name: spec for spec in (*embeddings, *rerankers)}
    clock, metrics = FakeClock(100.0), Metrics(CollectorRegistry())
    on_trial = [{"name": trial.name, "initial_state": "shadow"}] if trial else []
    config = NicheConfig(
        generalist=generalist,
        specialists=(specialist, *(specialist.model_copy(update=new) for new in on_trial)),
        embeddings=embeddings,
        rerankers=rerankers,
        router=RouterConfig(selection=SelectionConfig(quality_point_worth=quality_point_worth)),
        gateway=GatewaySection(**limits),
        observability=ObservabilitySection(decision_log=decision_log),
    )
    backends = {"big": big, "sql-model": sql, **create_engines(silent, _CONTEXT)}
    if trial is not None:
        backends[trial.name] = trial
    dependencies = Dependencies(
        config=config,
        policy=Policy({"sql": config.models_of("sql")}, "big", RouterConfig(), guarantee),
        classifier=scorer or classifier,
        backends=backends,
        metrics=metrics,
        clock=clock,
        wall_clock=lambda: 1_700_000_000.5,
        draw=draw,
        judge=judge,
        services=[*engines, *([judge] if judge else [])],
        stack_file=stack_file,
        connect_to_images=connect_to_images,
        multiprocess_dir=multiprocess_dir,
        tracer_provider=tracer_provider,
        readiness_timeout_seconds=0.05,
    )
    return Gateway(build_app(dependencies), metrics, clock, big, sql, classifier, backends)


@contextmanager
def on_loopback(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """A server in a thread, on a port, or on one that the system chooses; its address."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, ws="none", log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def events_of(response: httpx.Response) -> list[Any]:
    """The events of a stream: parsed, and the text `[DONE]` as it is."""
    data = [line.removeprefix("data: ") for line in response.text.split("\n") if line]
    return [item if item == "[DONE]" else json.loads(item) for item in data]


async def until(condition: Callable[[], object], seconds: float = 2.0) -> None:
    """Waits for what another task brings about and nobody announces."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - counters of metrics and fakes set no event
            await asyncio.sleep(0.001)


class HangingUp:
    """An ASGI client that sends a request and hangs up when told: `receive` and `send` in one."""

    def __init__(self, body: Any, path: str = "/v1/chat/completions") -> None:
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [
                (b"content-type", b"application/json"),
                (b"x-request-disconnect-disabled", b"?1"),
            ],
            "server": ("gateway", 80),
            "client": ("client", 1),
            "scheme": "http",
            "root_path": "",
        }
        self._body: bytes | None = json.dumps(body).encode()
        self.hang_up, self.sent = asyncio.Event(), []

    async def receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.hang_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
