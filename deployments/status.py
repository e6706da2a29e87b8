"""The number of running replicas of each model, from Serve's controller, cached."""

import asyncio
from collections.abc import Callable, Mapping


class ReplicaCounts:
    """Caches the controller's answer for a short time.

    Args:
        fetch: asks the controller for replicas by application; blocks, so it runs on a thread.
        clock: monotonic seconds.
        fresh_seconds: how long an answer is cached.
    """

    def __init__(
        self,
        fetch: Callable[[], Mapping[str, int]],
        clock: Callable[[], float],
        fresh_seconds: float = 1.0,
    ) -> None:
        self._fetch, self._clock, self._fresh_seconds = fetch, clock, fresh_seconds
        self._asking = asyncio.Lock()
        self._counts: Mapping[str, int] = {}
        self._good_until = float("-inf")

    async def running(self, app: str) -> int:
        """The number of running replicas of an application; 0 if it is not deployed."""
        async with self._asking:
            if self._clock() >= self._good_until:
                self._counts = await asyncio.to_thread(self._fetch)
                self._good_until = self._clock() + self._fresh_seconds
        return self._counts.get(app, 0)
