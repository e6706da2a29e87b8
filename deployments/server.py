"""The class that Ray Serve runs for a pool: an engine, loaded before the replica is ready."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from ray.util import get_node_ip_address

from deployments.engine import EngineContext, create_engine, faults_translated
from deployments.frames import decode_request, encode_chunk
from deployments.log import log_as_json
from deployments.protocol import (
    BackendError,
    Chunk,
    Load,
    ModelCard,
    ModelRequest,
    Overloaded,
    Unavailable,
)
from deployments.replica_port import ReplicaPort
from deployments.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """What a replica tells those that ask it by a handle.

    Attributes:
        models: its models, each with the reason why it cannot answer; None if it can.
        url: of its own port; None if it has none.
        token: that lets in there.
    """

    models: Mapping[str, str | None]
    url: str | None = None
    token: str = field(default="", repr=False)


class ModelServer:
    """One replica of one or several models; `builder.py` wraps it for Serve."""

    def __init__(self, specs: Sequence[ModelSpec], context: EngineContext) -> None:
        self._names = frozenset(spec.name for spec in specs)
        self._engine = create_engine(specs, context)
        self._starting = asyncio.Lock()
        self._started = False

    async def check_health(self) -> None:
        """Loads the engine on the first call; later raises if only a restart can repair it.

        Serve calls this before a replica is ready and periodically after, and restarts a replica
        that raises.
        """
        async with self._starting:
            if not self._started:
                await self._engine.start()
                self._started = True
        await self._engine.alive()

    async def health(self, model: str) -> None:
        """Returns if the model can answer, else raises `Unavailable`."""
        self._require(model)
        await self._engine.health(model)

    async def report(self) -> ReplicaReport:
        """The health of each model, and where to ask this replica."""
        names = sorted(self._names)
        reasons = await asyncio.gather(*map(self._why_ill, names))
        return ReplicaReport(dict(zip(names, reasons, strict=True)))

    async def _why_ill(self, model: str) -> str | None:
        try:
            await self._engine.health(model)
        except Overloaded:  # who has much to do is not ill
            return None
        except Unavailable as error:
            return error.reason
        except BackendError as error:
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


class ServedModelServer(ModelServer):
    """The class that Serve runs: models in a process of their own, whose log it configures, and
    which has a port of its own.

    Args:
        specs, context: as of a `ModelServer`.
        limit: requests at once at the port; None: there is no port.
    """

    def __init__(
        self, specs: Sequence[ModelSpec], context: EngineContext, limit: int | None
    ) -> None:
        log_as_json("deployments")
        super().__init__(specs, context)
        self._port = None if limit is None else ReplicaPort(self, limit)
        self._url: str | None = None

    async def check_health(self) -> None:
        """As of a `ModelServer`; opens the port when the engine is loaded."""
        await super().check_health()
        if self._port is not None and self._url is None:
            # The interface at which Ray reaches this node, and no other.
            self._url = await self._port.start(get_node_ip_address())

    async def report(self) -> ReplicaReport:
        """As of a `ModelServer`, with its port."""
        report = await super().report()
        return (
            report if self._port is None else replace(report, url=self._url, token=self._port.token)
        )

    async def __del__(self) -> None:
        """Ends the open requests of the port; Serve awaits it before it ends a replica, and knows
        its own requests alone."""
        if self._port is not None:
            await self._port.stop()
