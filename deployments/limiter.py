"""The limits of one model, where Ray Serve does not keep them: for a model that the gateway asks
itself or at its replicas' own ports, and for one that shares a deployment, whose limits Serve would
count for all models together.

It counts the requests of this process alone: each gateway replica has its own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deployments.protocol import Overloaded
from deployments.spec import ModelSpec

_RETRY_AFTER_SECONDS = 1.0


class Limiter:
    """Slots for a model's requests, and a queue in the order of arrival.

    Args:
        spec: the model.
        replicas: among which its requests are spread.
    """

    def __init__(self, spec: ModelSpec, replicas: int = 1) -> None:
        self._model = spec.name
        self._slots = asyncio.Semaphore(spec.limits.max_ongoing_requests * replicas)
        self._max_queued, self._queued = spec.limits.max_queued_requests, 0

    @property
    def queued(self) -> int:
        """The number of requests that wait for a slot."""
        return self._queued

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Holds a slot; waits for one in the queue.

        Raises:
            Overloaded: the queue is full.
        """
        if self._slots.locked() and self._queued >= self._max_queued:
            raise Overloaded(self._model, self._queued, _RETRY_AFTER_SECONDS)
        self._queued += 1
        try:
            await self._slots.acquire()
        finally:
            self._queued -= 1
        try:
            yield
        finally:
            self._slots.release()
