"""How long a request would wait for a slot, from counts alone. Callers pass the time in.

It knows what this process has: requests that wait here, and those that it handed to the replicas.
Of other processes it knows what the replicas told last: how many requests they have, and how many
they work on at once. For one more request of a model:

    demand   requests of the model in the replicas, and this one
    share    the slots that those get, if models take them in turn (`fair_share`)
    mine     the part of them for this process's requests: share * own / demand
    wait     requests of this process before it, beyond `mine`, * service time / mine

The service time is measured by the same counts: the slots that own requests had, over time, by the
answers that came of it (`ServiceTime`).

What the replicas told is as old as the last health check. Own requests are counted exactly, so a
process that alone fills the slots is always right; where several do, each one's part follows the
others' with that delay. What is older than `_FORGOTTEN_SECONDS` does not count.
"""

from collections.abc import Mapping

from deployments.fair_share import fair_share
from deployments.service_time import ServiceTime

AHEAD = 2
"""Requests for each slot that are handed on: one works, and one is there when it ends."""
_FORGOTTEN_SECONDS = 10.0
"""Some health checks may fail; a replica that has gone must not count for ever."""


class _Counts:
    """Requests of one model."""

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self.waiting = self.handed = self.elsewhere = 0
        self.service = ServiceTime()
        self.turned_away = 0.0
        self.turned_away_at = 0.0

    @property
    def demand(self) -> int:
        return self.handed + self.elsewhere


class ExpectedWait:
    """The expected waits of models that share slots.

    Args:
        limits: of each model, the most own requests that are handed to the replicas at once; None:
            `AHEAD` for each slot that was told, so that any process can fill them.
        slots: requests at once, until `told` says it.
    """

    def __init__(self, limits: Mapping[str, float | None], slots: float) -> None:
        self._default_slots = self._slots = slots
        self._known = False
        self._models = {model: _Counts(limit) for model, limit in limits.items()}
        self._now, self._told_at = 0.0, 0.0

    @property
    def slots(self) -> float:
        """Requests that the replicas work on at once, as far as that is known."""
        return self._slots

    def has_room(self, model: str, *, spare: bool = False) -> bool:
        """Whether one more own request may be handed to the replicas; `spare`: also into the room
        of clients with less than their share, who take turns there with those that have more."""
        counts = self._models[model]
        more = self._slots if spare and self._known and counts.limit is None else 0
        return counts.handed < self._limit(model) + more

    def waiting(self, model: str) -> int:
        """Own requests that were not handed to the replicas."""
        return self._models[model].waiting

    def service_seconds(self, model: str) -> float:
        """How long an answer keeps a slot."""
        return self._models[model].service.seconds

    def seconds(self, model: str, now: float, before: int | None = None) -> float:
        """How long one more request would wait for a slot, after so many of those that wait; None:
        after all of them."""
        self._advance(now)
        counts = self._models[model]
        waiting = counts.waiting if before is None else before
        beyond = waiting + counts.handed + 1 - self._mine(model, 1)
        return max(0.0, beyond) * self.turn_seconds(model)

    def turn_seconds(self, model: str) -> float:
        """The time from one own request that gets a slot to the next, while others wait."""
        return self._models[model].service.seconds / self._mine(model, 1)

    def turned_away(self, model: str, now: float, most: float) -> float:
        """Counts a request that is refused.

        Args:
            model: its model.
            now: when.
            most: seconds after which nobody comes back.

        Returns:
            how long it has to wait beside the excess of the queue: until those are served that were
            refused before it, should they come back; at most `most`.
        """
        self._advance(now)
        counts = self._models[model]
        seconds = self.turn_seconds(model)
        before = counts.turned_away - (now - counts.turned_away_at) / seconds
        before = min(max(0.0, before), most / seconds)
        counts.turned_away, counts.turned_away_at = before + 1, now
        return before * seconds

    def entered(self, model: str) -> None:
        """A request waits here."""
        self._models[model].waiting += 1

    def left(self, model: str) -> None:
        """One that waited here gave up."""
        self._models[model].waiting -= 1

    def handed(self, model: str, now: float) -> None:
        """One that waited here goes to a replica."""
        self._advance(now)
        self._models[model].waiting -= 1
        self._models[model].handed += 1

    def ended(self, model: str, now: float, *, answered: bool) -> None:
        """A replica is done with one."""
        self._advance(now)
        counts = self._models[model]
        counts.handed -= 1
        if answered:
            counts.service.answered(self._slots)

    def told(self, slots: float | None, running: Mapping[str, int], now: float) -> None:
        """What the replicas told.

        Args:
            slots: requests that they work on at once, all together; None or 0: unknown.
            running: requests of each model that they have, also those that wait in them.
            now: when it arrived.
        """
        self._advance(now)
        self._known, self._told_at = bool(slots), now
        self._slots = slots or self._default_slots
        for model, counts in self._models.items():
            counts.elsewhere = max(0, running.get(model, 0) - counts.handed)

    def _limit(self, model: str) -> float:
        limit = self._models[model].limit
        if limit is not None:
            return limit
        return (AHEAD if self._known else 1) * self._slots

    def _advance(self, now: float) -> None:
        seconds, self._now = max(0.0, now - self._now), max(now, self._now)
        if now - self._told_at > _FORGOTTEN_SECONDS:
            for counts in self._models.values():
                counts.elsewhere = 0
        for model, counts in self._models.items():
            if seconds and counts.handed:
                counts.service.busy(seconds * self._mine(model, 0))

    def _mine(self, model: str, more: int) -> float:
        """The slots for own requests of a model, with so many more in the replicas."""
        counts = self._models[model]
        demand = counts.demand + more
        others = (of.demand for of in self._models.values() if of is not counts)
        share = fair_share(self._slots, demand, others) * (counts.handed + more) / demand
        return min(share, self._limit(model))
