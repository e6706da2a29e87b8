"""Several engines of one process as one; each has a model of its own."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from deployments.engine import Engine
from deployments.protocol import Chunk, Load, ModelCard, ModelRequest
from deployments.spec import ModelSpec

_Made = TypeVar("_Made", bound=Engine)


class EngineGroup(Generic[_Made]):
    """The `LiveEngine` of several models, each by an engine of its own.

    Args:
        specs: the models.
        make: an engine that needs no start.

    Attributes:
        engines: by their models' names.
    """

    def __init__(self, specs: Sequence[ModelSpec], make: Callable[[ModelSpec], _Made]) -> None:
        self._make = make
        self._specs = {spec.name: spec for spec in specs}
        self.engines: Mapping[str, _Made] = {spec.name: make(spec) for spec in specs}

    async def update(self, specs: Sequence[ModelSpec]) -> None:
        """See `LiveEngine`."""
        self.engines = {
            spec.name: self.engines[spec.name]
            if self._specs.get(spec.name) == spec
            else self._make(spec)
            for spec in specs
        }
        self._specs = {spec.name: spec for spec in specs}

    def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """See `Backend`."""
        return self.engines[request.model].stream(request)

    async def complete(self, request: ModelRequest) -> Chunk:
        """See `Backend`."""
        return await self.engines[request.model].complete(request)

    async def start(self) -> None:
        """See `Engine`."""
        for engine in self.engines.values():
            await engine.start()

    async def alive(self) -> None:
        """See `Engine`."""
        for engine in self.engines.values():
            await engine.alive()

    async def stop(self) -> None:
        """See `Engine`."""
        for engine in self.engines.values():
            await engine.stop()

    async def health(self, model: str) -> None:
        """See `Backend`."""
        await self.engines[model].health(model)

    async def load(self, model: str) -> Load:
        """See `Backend`."""
        return await self.engines[model].load(model)

    async def cards(self) -> tuple[ModelCard, ...]:
        """See `Backend`."""
        return tuple([card for of in self.engines.values() for card in await of.cards()])
