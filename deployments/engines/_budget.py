"""Admission to the KV cache: a request reserves room for its whole answer before it starts.

Without reservations, transformers' manager starts every request and, when the cache is full, evicts
one and recomputes it; then it admits nothing new until a request *finishes*, which a cancelled
request never does. With reservations the cache cannot overflow, and nothing is evicted.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TokenBudget:
    """Limits the tokens in use; first come, first served. For one event loop."""

    def __init__(self, tokens: int) -> None:
        self._free = tokens
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """The number of requests that wait for room."""
        return len(self._queue)

    @asynccontextmanager
    async def reserved(self, tokens: int) -> AsyncIterator[None]:
        """Reserves room for `tokens` during the block; they must not exceed the whole budget."""
        await self._take(tokens)
        try:
            yield
        finally:
            self._free += tokens
            self._admit()

    async def _take(self, tokens: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (tokens, turn)
        self._queue.append(entry)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if entry in self._queue:
                self._queue.remove(entry)
            elif not turn.cancelled():  # admitted and cancelled at the same time
                self._free += tokens
            self._admit()
            raise

    def _admit(self) -> None:
        while self._queue and self._queue[0][0] <= self._free:
            tokens, turn = self._queue.popleft()
            if not turn.cancelled():
                self._free -= tokens
                turn.set_result(None)
