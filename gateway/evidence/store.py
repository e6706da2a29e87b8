"""The store of states and evidence: an interface, for a cluster has many nodes.

Rule: what several gateways do at once is as if one had done it after the other. Calls may take
milliseconds: `StoreExecutor` makes them one after the other, away from the event loop.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from router.selection.record import SpecialistRecord, Transition, Version

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """The model that answered a request; `time` in Unix seconds."""

    request_id: str
    model: str
    time: float


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """One of two compared answers; `text` is None where texts are not kept."""

    model: str
    latency_seconds: float
    cost: float
    text: str | None


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """A request that a specialist and the generalist answered, at a version of both."""

    request_id: str
    version: Version
    time: float
    specialist: ModelAnswer
    generalist: ModelAnswer

    def without_texts(self) -> "AnswerPair":
        """The same without the texts of the answers."""
        return replace(
            self,
            specialist=replace(self.specialist, text=None),
            generalist=replace(self.generalist, text=None),
        )


@dataclass(frozen=True, slots=True)
class AnswerFeedback:
    """A client's feedback to one answer: a score in [0, 1], a right answer, or both."""

    score: float | None = None
    correction: str | None = None


@dataclass(frozen=True, slots=True)
class DailyUsage:
    """The use of comparisons on one day: tokens, and currency units by list price."""

    tokens: int = 0
    cost: float = 0.0


Change = Callable[[SpecialistRecord | None], tuple[SpecialistRecord, Transition | None]]
"""From a specialist's standing, None if it has none, to the next and the transition to it."""


class Store(Protocol):
    """Every method raises `StoreError` when it cannot do what it is for."""

    def standings(self) -> Mapping[str, SpecialistRecord]:
        """Each specialist's standing."""

    def change(self, specialist: str, change: Change) -> tuple[SpecialistRecord, Transition | None]:
        """Replaces a standing by what `change` makes of it, and keeps the transition; at once."""

    def transitions(self, specialist: str, limit: int) -> Sequence[Transition]:
        """Its transitions, the newest first."""

    def remember(self, answers: Sequence[AnsweredRequest]) -> None:
        """Takes note of who answered, so that feedback finds it."""

    def model_of(self, request_id: str) -> str | None:
        """Who answered a request; None: not known, or forgotten."""

    def claim(self, request_id: str, specialist: str, time: float) -> bool:
        """Whether a request may be compared for a specialist: once, and by one gateway."""

    def keep(self, compared: AnswerPair) -> None:
        """Keeps the two answers of a request that was claimed, until they are graded."""

    def waiting(self, request_id: str) -> Sequence[AnswerPair]:
        """The pairs of a request that are not graded."""

    def waiting_count(self) -> Mapping[str, int]:
        """How many pairs of each specialist are not graded."""

    def take(self, compared: AnswerPair) -> bool:
        """Ends the waiting of a pair, and forgets its texts and those of the feedback to it; False:
        another gateway was quicker."""

    def note(self, request_id: str, model: str, note: AnswerFeedback, time: float) -> None:
        """Keeps feedback; a later one to the same answer takes its place."""

    def notes(self, request_id: str) -> Mapping[str, AnswerFeedback]:
        """The feedback to a request's answers, by model."""

    def spend(self, day: str, tokens: int, cost: float) -> None:
        """Adds to what was spent on a day, such as `2026-11-23`."""

    def spent(self, day: str) -> DailyUsage:
        """What was spent on a day."""

    def forget(self, before: float) -> None:
        """Drops answers, pairs and feedback from before a time, in Unix seconds."""

    def close(self) -> None:
        """Lets go of the store."""


class StoreExecutor:
    """Calls a store on a thread of its own.

    Args:
        store: closed with this.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="evidence-store")

    async def run(self, task: Callable[[Store], _Result]) -> _Result:
        """What the task returns.

        Raises:
            StoreError: the store cannot be used.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, task, self._store)

    def close(self) -> None:
        """Returns when all calls are over."""
        self._thread.shutdown()
        self._store.close()
