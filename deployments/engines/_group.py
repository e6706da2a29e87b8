"""Several engines of one process as one; each has a model of its own."""

from collections.abc import AsyncGenerator, Mapping

from deployments.engine import Engine
from deployments.protocol import Chunk, Load, ModelCard, ModelRequest


class EngineGroup:
    """The `Engine` of several models, each by the engine of its name."""

    def __init__(self, engines: Mapping[str, Engine]) -> None:
        self._engines = engines

    def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """See `Backend`."""
        return self._engines[request.model].stream(request)

    async def complete(self, request: ModelRequest) -> Chunk:
        """See `Backend`."""
        return await self._engines[request.model].complete(request)

    async def start(self) -> None:
        """See `Engine`."""
        for engine in self._engines.values():
            await engine.start()

    async def alive(self) -> None:
        """See `Engine`."""
        for engine in self._engines.values():
            await engine.alive()

    async def stop(self) -> None:
        """See `Engine`."""
        for engine in self._engines.values():
            await engine.stop()

    async def health(self, model: str) -> None:
        """See `Backend`."""
        await self._engines[model].health(model)

    async def load(self, model: str) -> Load:
        """See `Backend`."""
        return await self._engines[model].load(model)

    async def cards(self) -> tuple[ModelCard, ...]:
        """See `Backend`."""
        return tuple([card for of in self._engines.values() for card in await of.cards()])
