"""The class that Ray Serve runs for a pool: an engine, loaded before the replica is ready."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, cast

from ray.util import get_node_ip_address

from deployments.engine import (
    Engine,
    EngineContext,
    LiveEngine,
    create_engine,
    faults_translated,
)
from deployments.frames import decode_request, encode_chunk
from deployments.log import log_as_json
from deployments.models.errors import UnusableModels
from deployments.prompt_room import PromptRoom
from deployments.protocol import (
    Chunk,
    EngineStats,
    Load,
    ModelCard,
    ModelRequest,
    Overloaded,
    Unavailable,
)
from deployments.replica_port import ReplicaPort
from deployments.serve_port import listen_at_the_node
from deployments.spec import ModelSpec

_log = logging.getLogger("deployments.server")

_HEALTH_SECONDS = 0.5
"""How long one model's health may keep the report of all waiting."""


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """What a replica tells those that ask it by a handle.

    Attributes:
        models: its models, each with the reason why it cannot answer; None if it can.
        url: of its own port; None if it has none.
        token: that lets in there.
        engine: what the engine tells about itself, if it does.
        running: requests of each model that it has, also those that wait in it.
        slots: how many it works on at once; None: unknown.
        room: for a prompt of any of its models; None: unknown.
    """

    models: Mapping[str, str | None]
    url: str | None = None
    token: str = field(default="", repr=False)
    engine: EngineStats | None = None
    running: Mapping[str, int] = field(default_factory=dict)
    slots: int | None = None
    room: PromptRoom | None = None


class ModelServer:
    """One replica of one or several models; `builder.py` wraps it for Serve.

    A model that cannot be served does not keep out the others of its pool: it is missing, and the
    report says why.
    """

    def __init__(self, specs: Sequence[ModelSpec], context: EngineContext) -> None:
        self._context = context
        self._take(specs)
        self._engine = self._made()
        self._starting = asyncio.Lock()
        self._started = False
        self._coming: asyncio.Task[str | None] | None = None

    async def reconfigure(self, wanted: Mapping[str, Any]) -> None:
        """Tells the replica the models that its pool has now, where its engine is a `LiveEngine`.

        Serve calls this before the first check, and while the replica runs. Then it comes to them
        on its own: Serve sends nothing to a replica before this returns, and ends one that raises.

        Args:
            wanted: the specs under `models`, as `builder.build_pool` writes them.

        Raises:
            ValueError: no model's engine options are right, before anything is loaded.
        """
        specs = [ModelSpec.model_validate(fields) for fields in wanted["models"]]
        if self._started:
            self._coming = asyncio.create_task(self._come_to(specs, self._coming))
        elif specs != list(self._specs):
            self._take(specs)
            self._engine = self._made()

    async def confirm(self) -> str | None:
        """Returns when it has come to the models that it was told last, or with the reason why it
        stays with those that it had."""
        return None if self._coming is None else await asyncio.shield(self._coming)

    async def _come_to(
        self, specs: Sequence[ModelSpec], before: asyncio.Task[str | None] | None
    ) -> str | None:
        if before is not None:
            await before
        try:
            await self._update(specs)
        except Exception as error:  # noqa: BLE001 - any error of the engine leaves it as it was
            _log.exception("a replica stays with the models that it has")
            return str(error) or type(error).__name__
        return None

    async def _update(self, specs: Sequence[ModelSpec]) -> None:
        await cast(LiveEngine, self._engine).update(specs)
        self._take(specs)

    def _take(self, specs: Sequence[ModelSpec]) -> None:
        self._specs, self._names = specs, frozenset(spec.name for spec in specs)
        self._missing: Mapping[str, str] = {}

    def _made(self) -> Engine:
        """The engine of the models that one can be made for.

        Raises:
            ValueError: there is none, or they do not go together.
        """
        try:
            return create_engine(self._specs, self._context)
        except ValueError as error:
            return self._without(self._faults_alone(), error)

    def _faults_alone(self) -> Mapping[str, str]:
        """Why no engine can be made for some of the models, by their names."""
        faults = {}
        for spec in self._specs:
            try:
                create_engine([spec], self._context)
            except ValueError as fault:
                faults[spec.name] = str(fault)
        return faults

    async def _start(self) -> None:
        """Starts the engine with the models that it can serve.

        Raises:
            Exception: there is none, or the engine failed for another reason.
        """
        while True:
            try:
                return await self._engine.start()
            except UnusableModels as error:
                await self._engine.stop()
                self._engine = self._without(error.reasons, error)

    def _without(self, found: Mapping[str, str], error: Exception) -> Engine:
        """An engine without some more models; raises `error` if these are none, or all."""
        faults = {**self._missing, **found}
        sound = [spec for spec in self._specs if spec.name not in faults]
        if not sound or faults.keys() == self._missing.keys():
            raise error
        _log.error("models are missing: %s", "; ".join(map(": ".join, faults.items())))
        engine = create_engine(sound, self._context)
        self._missing = faults
        return engine

    async def check_health(self) -> None:
        """Loads the engine on the first call; later raises if only a restart can repair it.

        Serve calls this before a replica is ready and periodically after, and restarts a replica
        that raises.
        """
        async with self._starting:
            if not self._started:
                await self._start()
                self._started = True
        await self._engine.alive()

    async def health(self, model: str) -> None:
        """Returns if the model can answer, else raises `Unavailable`."""
        self._require(model)
        await self._engine.health(model)

    async def report(self) -> ReplicaReport:
        """The health and the load of each model, and what their engine tells."""
        names = sorted(self._names - self._missing.keys())
        reasons = dict(zip(names, await asyncio.gather(*map(self._why_ill, names)), strict=True))
        # Meanwhile some may have left.
        reasons = {name: why for name, why in reasons.items() if name in self._names}
        loads = {name: await self._engine.load(name) for name in reasons}
        load = next(iter(loads.values()), Load())
        return ReplicaReport(
            {**self._missing, **reasons},
            engine=load.engine,
            running={name: of.running for name, of in loads.items()},
            slots=load.slots,
            room=load.room,
        )

    async def _why_ill(self, model: str) -> str | None:
        try:
            async with asyncio.timeout(_HEALTH_SECONDS):
                await self._engine.health(model)
        except (Overloaded, TimeoutError):  # who has much to do is not ill
            return None
        except Unavailable as error:
            return error.reason
        except Exception as error:  # noqa: BLE001 - the other models of a pool may be well
            return type(error).__name__
        return None

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """The engine's answer; closing it early cancels the request in the engine."""
        self._require(request.model)
        with faults_translated(request.model, request):
            async with aclosing(self._engine.stream(request)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def complete(self, request: ModelRequest) -> Chunk:
        """The engine's whole answer; cancelling the call cancels the request in the engine."""
        self._require(request.model)
        with faults_translated(request.model, request):
            return await self._engine.complete(request)

    async def stream_frames(self, frame: bytes) -> AsyncGenerator[bytes]:
        """`stream` as Serve carries it."""
        async with aclosing(self.stream(decode_request(frame))) as chunks:
            async for chunk in chunks:
                yield encode_chunk(chunk)

    async def complete_frame(self, frame: bytes) -> bytes:
        """`complete` as Serve carries it."""
        return encode_chunk(await self.complete(decode_request(frame)))

    async def load(self, model: str) -> Load:
        """The counts of the model's requests in this replica."""
        return await self._engine.load(model)

    async def cards(self) -> tuple[ModelCard, ...]:
        """The cards of the served models."""
        return await self._engine.cards()

    def _require(self, model: str) -> None:
        # While a pool changes, a gateway may know a model that this replica does not.
        if model not in self._names:
            raise Unavailable(model, "this replica does not serve it")
        if model in self._missing:
            raise Unavailable(model, self._missing[model])


class ServedModelServer(ModelServer):
    """The class that Serve runs: models in a process of their own, whose log it configures, and
    which has a port of its own where gateways want one."""

    _port: ReplicaPort | None = None  # also where the constructor failed
    _url: str | None = None

    def __init__(self, specs: Sequence[ModelSpec], context: EngineContext) -> None:
        log_as_json("deployments")
        listen_at_the_node()
        super().__init__(specs, context)
        self._opening = asyncio.Lock()

    async def report_with_port(self) -> ReplicaReport:
        """The report, and where to ask this replica; the first who asks opens the port."""
        report = await self.report()
        async with self._opening:
            if self._port is None:
                self._port = ReplicaPort(self)
                self._url = await self._opened(self._port)
        return replace(report, url=self._url, token=self._port.token)

    async def _opened(self, port: ReplicaPort) -> str | None:
        # The interface at which Ray reaches this node, and no other.
        host = get_node_ip_address()
        try:
            return await port.start(host)
        except OSError:
            _log.exception("no port at %s; gateways ask this replica by Serve's handles", host)
            return None

    def __del__(self) -> Coroutine[None, None, None] | None:
        """Ends the open requests of the port; Serve awaits it before it ends a replica, and knows
        its own requests alone. Python calls it again, and awaits nothing."""
        port, self._port = self._port, None
        return None if port is None else port.stop()
