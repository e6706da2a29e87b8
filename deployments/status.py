"""How many replicas of each model Serve's controller counts as running, asked rarely."""

import asyncio
from collections.abc import Callable, Mapping


class ReplicaCounts:
    """Shares one answer of the controller among all who ask within a short time.

    Args:
        fetch: asks the controller; blocks, so it runs on a thread. Replicas by application.
        clock: monotonic seconds.
        fresh_seconds: how long an answer is good.
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
        """The running replicas of an application; 0 for one that is not deployed."""
        async with self._asking:
            if self._clock() >= self._good_until:
                self._counts = await asyncio.to_thread(self._fetch)
                self._good_until = self._clock() + self._fresh_seconds
        return self._counts.get(app, 0)
