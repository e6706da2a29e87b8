"""Who waits for a slot, and in which order."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

_Slot = TypeVar("_Slot")


class Turns(Generic[_Slot]):
    """What waits, by client: clients take turns, and the requests of each go as they came. So who
    floods a model waits for itself; everybody else waits for one request of it."""

    def __init__(self) -> None:
        self._of: dict[str, deque[asyncio.Future[_Slot]]] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def __contains__(self, client: str) -> bool:
        return client in self._of

    def __len__(self) -> int:
        """Those that have not given up."""
        return sum(not turn.cancelled() for turns in self._of.values() for turn in turns)

    def before(self, client: str) -> int:
        """How many would go before one more request of a client."""
        if not self._of:
            return 0
        own = len(self._of.get(client, ()))
        others = (len(turns) for name, turns in self._of.items() if name != client)
        return own + sum(min(theirs, own + 1) for theirs in others)

    def append(self, client: str, turn: asyncio.Future[_Slot]) -> None:
        """Adds the last request of a client."""
        self._of.setdefault(client, deque()).append(turn)

    def popleft(self) -> asyncio.Future[_Slot]:
        """Takes out the next; `StopIteration` where nothing waits."""
        client = next(iter(self._of))
        turns = self._of.pop(client)
        turn = turns.popleft()
        if turns:
            self._of[client] = turns  # behind the others
        return turn

    def remove(self, client: str, turn: asyncio.Future[_Slot]) -> None:
        """Takes out one that gave up; nothing happens if it was taken out before."""
        turns = self._of.get(client, deque[asyncio.Future[_Slot]]())
        with suppress(ValueError):
            turns.remove(turn)
        if not turns:
            self._of.pop(client, None)
