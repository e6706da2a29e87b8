"""Several engines of one process as one; each has a model of its own."""

from collections.abc import AsyncGenerator, Callable, Sequence

from deployments.engine import Engine
from deployments.protocol import Chunk, Load, ModelCard, ModelRequest
from deployments.spec import ModelSpec


class EngineGroup:
    """The `LiveEngine` of several models, each by an engine of its own.

    Args:
        specs: the models.
        make: an engine that needs no start.
    """

    def __init__(self, specs: Sequence[ModelSpec], make: Callable[[ModelSpec], Engine]) -> None:
        self._make = make
        self._specs = {spec.name: spec for spec in specs}
        self._engines = {spec.name: make(spec) for spec in specs}

    async def update(self, specs: Sequence[ModelSpec]) -> None:
        """See `LiveEngine`."""
        self._engines = {
            spec.name: self._engines[spec.name]
            if self._specs.get(spec.name) == spec
            else self._make(spec)
            for spec in specs
        }
        self._specs = {spec.name: spec for spec in specs}

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
