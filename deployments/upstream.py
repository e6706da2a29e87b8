"""A model that this process asks itself: an engine that forwards, within the model's limits.

It keeps the limits that Serve keeps for a model with replicas. It counts the requests of this
process alone: each gateway replica has its own.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from deployments.engine import Engine, faults_translated
from deployments.protocol import Chunk, Load, ModelCard, ModelRequest, Overloaded
from deployments.spec import ModelSpec

_RETRY_AFTER_SECONDS = 1.0


class Upstream:
    """An engine as a `Backend`; its owner starts and stops it."""

    def __init__(self, spec: ModelSpec, engine: Engine) -> None:
        self._name, self._engine = spec.name, engine
        self._slots = asyncio.Semaphore(spec.limits.max_ongoing_requests)
        self._max_queued, self._queued = spec.limits.max_queued_requests, 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """The engine's answer; closing it early frees its slot.

        Raises:
            Overloaded: the queue is full.
            BackendError: the engine's own, or what its fault amounts to.
        """
        with faults_translated(self._name, request):
            async with self._slot(), aclosing(self._engine.stream(request)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def complete(self, request: ModelRequest) -> Chunk:
        """The engine's whole answer; cancelling the call frees its slot.

        Raises:
            BackendError: as `stream`.
        """
        with faults_translated(self._name, request):
            async with self._slot():
                return await self._engine.complete(request)

    async def health(self) -> None:
        """See `Backend`; waits for no slot."""
        await self._engine.health()

    async def load(self) -> Load:
        """The counts of this process."""
        return replace(await self._engine.load(), queued=self._queued)

    async def model_card(self) -> ModelCard:
        """See `Backend`."""
        return await self._engine.model_card()

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Holds one of the slots, in the order of arrival."""
        if self._slots.locked() and self._queued >= self._max_queued:
            raise Overloaded(self._name, self._queued, _RETRY_AFTER_SECONDS)
        self._queued += 1
        try:
            await self._slots.acquire()
        finally:
            self._queued -= 1
        try:
            yield
        finally:
            self._slots.release()
