"""How long an answer of a model keeps a slot, as measured.

    seconds = time that slots were busy / answers that came of it

Both sums fade with each answer, so that the last ones count: `ANSWERS`, and `ROUNDS` for each slot,
since slots that began together end together. It needs no start and end of single answers: a model
that gives none while its slots are busy becomes slower with every second, and work that was thrown
away counts as well.
"""

ANSWERS, ROUNDS = 64, 8
_FIRST_GUESS_SECONDS = 1.0
"""Counts as one answer, until each slot has given one: later it would make short answers long."""
_SHORTEST_SECONDS = 1e-6
"""Of answers that took no time by the clock: waits are divided by it."""


class ServiceTime:
    """The slot seconds of an answer."""

    def __init__(self) -> None:
        self._busy_seconds, self._answers = 0.0, 0.0
        self._guess = 1.0  # how much of it counts

    @property
    def seconds(self) -> float:
        """Above zero."""
        busy = self._busy_seconds + self._guess * _FIRST_GUESS_SECONDS
        return max(_SHORTEST_SECONDS, busy / (self._answers + self._guess))

    def busy(self, slot_seconds: float) -> None:
        """Slots were busy for so long in all; zero or more."""
        self._busy_seconds += slot_seconds

    def answered(self, slots: float = 0) -> None:
        """An answer is complete; `slots`: how many there are."""
        self._answers += 1
        if self._answers >= max(1, slots):
            self._guess = 0.0
        memory = ANSWERS + ROUNDS * slots
        if self._answers > memory:
            kept = memory / self._answers
            self._busy_seconds *= kept
            self._answers *= kept
