"""A model that this process asks itself: an engine that forwards, within the model's limits."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from deployments.engine import Engine, faults_translated
from deployments.limiter import Limiter
from deployments.protocol import Chunk, Load, ModelCard, ModelRequest
from deployments.spec import ModelSpec


class Upstream:
    """An engine as a `Backend`; its owner starts and stops it."""

    def __init__(self, spec: ModelSpec, engine: Engine) -> None:
        self._name, self._engine = spec.name, engine
        self._limiter = Limiter([spec])

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """The engine's answer; closing it early frees its slot.

        Raises:
            Overloaded: the request would wait too long.
            BackendError: the engine's own, or what its fault amounts to.
        """
        with faults_translated(self._name, request):
            async with (
                self._limiter.slot(request),
                aclosing(self._engine.stream(request)) as chunks,
            ):
                async for chunk in chunks:
                    yield chunk

    async def complete(self, request: ModelRequest) -> Chunk:
        """The engine's whole answer; cancelling the call frees its slot.

        Raises:
            BackendError: as `stream`.
        """
        with faults_translated(self._name, request):
            async with self._limiter.slot(request):
                return await self._engine.complete(request)

    async def health(self, model: str) -> None:
        """See `Backend`; waits for no slot."""
        await self._engine.health(model)

    def expected_wait(self, model: str) -> float:
        """See `TellsExpectedWait`."""
        return self._limiter.expected_wait(model)

    async def load(self, model: str) -> Load:
        """The counts of this process."""
        return replace(await self._engine.load(model), queued=self._limiter.queued(model))

    async def cards(self) -> tuple[ModelCard, ...]:
        """See `Backend`."""
        return await self._engine.cards()
