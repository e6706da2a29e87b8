"""Who may use the KV cache: each request reserves room for its whole answer before it starts.

transformers' manager would rather start everything and, when the cache is full, throw a request out
and compute it anew; and after that it takes nothing new until one *finishes*, which a cancelled
request never does. With room reserved the cache cannot fill, and nothing is thrown out.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TokenBudget:
    """Tokens that may be in use at once; first come, first served. For one event loop."""

    def __init__(self, tokens: int) -> None:
        self._free = tokens
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """Requests that wait for room."""
        return len(self._queue)

    @asynccontextmanager
    async def reserved(self, tokens: int) -> AsyncIterator[None]:
        """Room for `tokens`, which must not exceed the whole budget, while the block runs."""
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
            elif not turn.cancelled():  # its turn had come at the very moment that it left
                self._free += tokens
            self._admit()
            raise

    def _admit(self) -> None:
        while self._queue and self._queue[0][0] <= self._free:
            tokens, turn = self._queue.popleft()
            if not turn.cancelled():
                self._free -= tokens
                turn.set_result(None)
