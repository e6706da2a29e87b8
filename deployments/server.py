"""The class that Ray Serve runs for one model: an engine, loaded before the replica is ready."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from deployments.engine import EngineContext, create_engine, faults_translated
from deployments.frames import decode_request, encode_chunk
from deployments.log import log_as_json
from deployments.protocol import Chunk, Load, ModelCard, ModelRequest
from deployments.spec import ModelSpec


class ModelServer:
    """One replica of one model; `builder.py` wraps it for Serve."""

    def __init__(self, spec: ModelSpec, context: EngineContext) -> None:
        self._name = spec.name
        self._engine = create_engine(spec, context)
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

    async def health(self) -> None:
        """Returns if the model can answer, else raises `Unavailable`."""
        await self._engine.health()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """The engine's answer; closing it early cancels the request in the engine."""
        with faults_translated(self._name, request):
            async with aclosing(self._engine.stream(request)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def complete(self, request: ModelRequest) -> Chunk:
        """The engine's whole answer; cancelling the call cancels the request in the engine."""
        with faults_translated(self._name, request):
            return await self._engine.complete(request)

    async def stream_frames(self, frame: bytes) -> AsyncGenerator[bytes]:
        """`stream` as Serve carries it."""
        async with aclosing(self.stream(decode_request(frame))) as chunks:
            async for chunk in chunks:
                yield encode_chunk(chunk)

    async def complete_frame(self, frame: bytes) -> bytes:
        """`complete` as Serve carries it."""
        return encode_chunk(await self.complete(decode_request(frame)))

    async def load(self) -> Load:
        """The counts of this replica."""
        return await self._engine.load()

    async def model_card(self) -> ModelCard:
        """The card of the served model."""
        return await self._engine.model_card()


class LoggingModelServer(ModelServer):
    """The class that Serve runs: a model in its own process, whose log it configures."""

    def __init__(self, spec: ModelSpec, context: EngineContext) -> None:
        log_as_json("deployments")
        super().__init__(spec, context)
