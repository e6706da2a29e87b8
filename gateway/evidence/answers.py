"""Who answered which request, so that feedback finds it: written down in batches.

Rule: no answer waits for the disk. What is not written yet is written before anything is looked
up; an answer of another gateway may take as long to appear as that one takes between batches.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from gateway.evidence.clerk import Clerk
from gateway.evidence.store import Answered

_MOST_UNWRITTEN = 10_000
_LOOKS, _PAUSE_SECONDS = 4, 0.25


class Answers:
    """The answers of one gateway process, and a way to find those of all.

    Args:
        clerk: the way to the store.
        wall_clock: Unix time in seconds.
        keep_seconds: how long an answer can be found.
    """

    def __init__(self, clerk: Clerk, wall_clock: Callable[[], float], keep_seconds: float) -> None:
        self._clerk, self._wall_clock, self._keep_seconds = clerk, wall_clock, keep_seconds
        self._unwritten = _unwritten()

    def now(self) -> float:
        """Unix seconds."""
        return self._wall_clock()

    def add(self, request_id: str, model: str) -> None:
        """Takes note of an answer; returns at once."""
        self._unwritten.append(Answered(request_id, model, self._wall_clock()))

    async def write(self) -> None:
        """Writes down what is not.

        Raises:
            StoreError: the store cannot be used; nothing is lost by that.
        """
        # Taken before the first wait, so that of two who write at once each has its own.
        batch, self._unwritten = self._unwritten, _unwritten()
        if not batch:
            return
        try:
            await self._clerk.do(lambda store: store.remember(batch))
        except BaseException:  # cancelled, too; to write one twice does no harm
            self._unwritten = _unwritten([*batch, *self._unwritten])
            raise

    async def forget(self) -> None:
        """Drops answers, pairs and feedback that are too old.

        Raises:
            StoreError: the store cannot be used.
        """
        before = self._wall_clock() - self._keep_seconds
        await self._clerk.do(lambda store: store.forget(before))

    async def model_of(self, request_id: str) -> str | None:
        """Who answered a request; None when nobody is known to have.

        Raises:
            StoreError: the store cannot be used.
        """
        await self.write()
        for look in range(_LOOKS):
            if look:
                await asyncio.sleep(_PAUSE_SECONDS)
            found = await self._clerk.do(lambda store: store.model_of(request_id))
            if found is not None:
                return found
        return None


def _unwritten(answers: Iterable[Answered] = ()) -> deque[Answered]:
    """While the store cannot be written the oldest fall out."""
    return deque(answers, maxlen=_MOST_UNWRITTEN)
