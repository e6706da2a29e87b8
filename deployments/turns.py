"""Who waits for a slot, and in which order."""

import asyncio
from collections import deque
from contextlib import suppress

Turn = asyncio.Future[None]


class Turns:
    """What waits, by client: clients take turns, and the requests of each go as they came. So who
    floods a model waits for itself; everybody else waits for one request of it."""

    def __init__(self) -> None:
        self._of: dict[str, deque[Turn]] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def before(self, client: str) -> int:
        """How many would go before one more request of a client."""
        if not self._of:
            return 0
        own = len(self._of.get(client, ()))
        others = (len(turns) for name, turns in self._of.items() if name != client)
        return own + sum(min(theirs, own + 1) for theirs in others)

    def append(self, client: str, turn: Turn) -> None:
        """Adds the last request of a client."""
        self._of.setdefault(client, deque()).append(turn)

    def popleft(self) -> Turn:
        """Takes out the next; `StopIteration` where nothing waits."""
        client = next(iter(self._of))
        turns = self._of.pop(client)
        turn = turns.popleft()
        if turns:
            self._of[client] = turns  # behind the others
        return turn

    def remove(self, client: str, turn: Turn) -> None:
        """Takes out one that gave up; nothing happens if it was taken out before."""
        turns = self._of.get(client, deque())
        with suppress(ValueError):
            turns.remove(turn)
        if not turns:
            self._of.pop(client, None)
