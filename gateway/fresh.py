"""A value that costs something to compute, and that many ask for at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Fresh(Generic[_Value]):
    """Computes a value once for all who ask while it is computed, or soon after.

    Args:
        compute: gives it.
        clock: monotonic seconds.
        seconds: how old it may be.
    """

    def __init__(
        self,
        compute: Callable[[], Awaitable[_Value]],
        clock: Callable[[], float],
        seconds: float,
    ) -> None:
        self._compute, self._clock, self._seconds = compute, clock, seconds
        self._computing: asyncio.Task[_Value] | None = None
        self._until = float("-inf")

    async def get(self) -> _Value:
        """The value. Who stops waiting for it does not stop the others; an error is for those who
        wait for it, and the next who asks computes again."""
        task = self._computing
        if task is None or (task.done() and (self._clock() >= self._until or _failed(task))):
            task = self._computing = asyncio.create_task(self._computed())
        return await asyncio.shield(task)

    async def _computed(self) -> _Value:
        value = await self._compute()
        self._until = self._clock() + self._seconds
        return value


def _failed(task: "asyncio.Task[object]") -> bool:
    return task.cancelled() or task.exception() is not None
