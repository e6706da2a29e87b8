"""Looks at the evidence again and again, and writes down what has changed."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from lab.demonstration.gateway import Broken, Gateway
from lab.demonstration.records import Evidence, Record, Transition

Seen = set[tuple[str, float, str]]
"""Transitions that are written down: specialist, time, state."""


class Watch:
    """Of one phase.

    Args:
        gateway: whom it looks at.
        keep: writes a record down.
        phase: from 1.
        sent: how many requests of the stream have been sent.
        seen: what earlier phases saw; is added to.
    """

    def __init__(
        self,
        gateway: Gateway,
        keep: Callable[[Record], object],
        phase: int,
        sent: Callable[[], int],
        seen: Seen,
    ) -> None:
        self._gateway, self._keep, self._phase = gateway, keep, phase
        self._sent, self._seen = sent, seen
        self._states: dict[str, str] = {}
        self._pairs: dict[str, int] = {}

    def state(self, specialist: str) -> str:
        """Where a specialist stood at the last look."""
        return self._states[specialist]

    async def look(self) -> None:
        """Once.

        Raises:
            Broken: the gateway does not say.
        """
        body = await self._gateway.evidence()
        specialists = body["specialists"]
        for one in specialists:
            for moved in reversed(one["transitions"]):
                self._note(one["name"], moved)
        states = {one["name"]: one["state"] for one in specialists}
        pairs = {one["name"]: one["pairs"] for one in specialists}
        if (states, pairs) != (self._states, self._pairs):
            self._states, self._pairs = states, pairs
            self._keep(Evidence(self._phase, body["time"], self._sent(), states, pairs))

    async def keep_looking(self, seconds: float) -> None:
        """For ever; for a task that is cancelled. A look that fails is made up for by the next."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.look()
            except Broken:
                continue

    def _note(self, specialist: str, moved: Mapping[str, Any]) -> None:
        key = (specialist, moved["time"], moved["to"])
        if key in self._seen:
            return
        self._seen.add(key)
        known = moved["comparison"]
        quality = known and tuple(known["quality"][part] for part in ("low", "mean", "high"))
        self._keep(
            Transition(
                phase=self._phase,
                specialist=specialist,
                time=moved["time"],
                before=moved["from"],
                after=moved["to"],
                by=moved["by"],
                reason=moved["reason"],
                pairs=moved["pairs"],
                quality=quality,
            )
        )
