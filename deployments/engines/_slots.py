"""The slots of an engine that serves several models, which take them in turn."""

import asyncio
from collections import deque


class Slots:
    """A number of slots. Who finds none waits; of the models with waiting requests each gets the
    next free slot in turn, so that the many requests of one do not hold up another's few.

    Args:
        count: of the slots.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def waiting(self, model: str) -> int:
        """Requests of the model that wait."""
        return sum(not turn.cancelled() for turn in self._waiting.get(model, ()))

    async def take(self, model: str) -> None:
        """Returns with a slot, which the caller gives back. Cancelling it leaves the queue."""
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(model, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give_back()  # the slot came together with the cancellation
            raise

    def give_back(self) -> None:
        """Frees a slot, or hands it on."""
        for model in list(self._waiting):
            queue = self._waiting.pop(model)
            while queue:
                turn = queue.popleft()
                if not turn.cancelled():
                    turn.set_result(None)
                    if queue:
                        self._waiting[model] = queue  # behind the others
                    return
        self._free += 1
