"""The class that Ray Serve runs for a pool: an engine, loaded before the replica is ready."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from deployments.engine import EngineContext, create_engine, faults_translated
from deployments.frames import decode_request, encode_chunk
from deployments.log import log_as_json
from deployments.protocol import Chunk, Load, ModelCard, ModelRequest, Unavailable
from deployments.spec import ModelSpec


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


class LoggingModelServer(ModelServer):
    """The class that Serve runs: models in a process of their own, whose log it configures."""

    def __init__(self, specs: Sequence[ModelSpec], context: EngineContext) -> None:
        log_as_json("deployments")
        super().__init__(specs, context)
