"""The slots of an engine that serves several models, which take them in turn."""

import asyncio
from itertools import count

from deployments.turns import Turns


class Slots:
    """A number of slots. Who finds none waits; of the models with waiting requests each gets the
    next free slot in turn, and so does each of its clients, so that the many requests of one do not
    hold up another's few.

    A model gets no further slot while another one has held one since before its last: the engine
    computes one adapter at a time, and as long as there is work for the first, the other's waits.

    Args:
        slots: how many.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: dict[str, Turns[int]] = {}
        self._grants = count(1)
        self._last: dict[str, int] = {}
        self._held: dict[str, list[int]] = {}

    def waiting(self, model: str) -> int:
        """Requests of the model that wait."""
        return len(self._waiting.get(model, ()))

    async def take(self, model: str, client: str) -> int:
        """Returns with a slot, as a number with which the caller gives it back. Cancelling it
        leaves the queue."""
        if self._free and self._may(model):
            return self._grant(model)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(model, Turns()).append(client, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give_back(model, turn.result())  # it came together with the cancellation
            raise

    def give_back(self, model: str, slot: int) -> None:
        """Frees a slot, and hands on what is free."""
        self._free += 1
        held = self._held[model]
        held.remove(slot)
        if not held:
            del self._held[model]
        while self._free and self._hand_on():
            pass

    def _hand_on(self) -> bool:
        """Gives a slot to the next model that waits and may have it; says whether there was one."""
        for model in list(self._waiting):
            if not self._may(model):
                continue
            queue = self._waiting.pop(model)
            while queue:
                turn = queue.popleft()
                if not turn.cancelled():
                    turn.set_result(self._grant(model))
                    if queue:
                        self._waiting[model] = queue  # behind the others
                    return True
        return False

    def _grant(self, model: str) -> int:
        self._free -= 1
        slot = self._last[model] = next(self._grants)
        self._held.setdefault(model, []).append(slot)
        return slot

    def _may(self, model: str) -> bool:
        last = self._last.get(model, 0)
        return all(other == model or held[0] > last for other, held in self._held.items())
