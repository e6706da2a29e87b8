"""The interface of the store of states and evidence.

Rule: concurrent changes by several gateways are serialised. Calls may take milliseconds, so
`StoreExecutor` runs them one at a time, off the event loop.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeVar

from router.selection.record import SpecialistRecord, Transition, Version

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """The model that answered a request, and the caller to whom; `time` in Unix seconds."""

    request_id: str
    model: str
    time: float
    caller: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """One of two compared answers.

    Attributes:
        cost: list price, in currency units.
        text: None if texts are not stored.
        engine_seconds: the engine's work; 0: unknown.
        attributed_cost: that work at the price of the machine; 0 if that has none.
    """

    model: str
    latency_seconds: float
    cost: float
    text: str | None
    engine_seconds: float = 0.0
    attributed_cost: float = 0.0

    @property
    def expense(self) -> float:
        """The one of its two costs that counts: of the machine's time if that has a price."""
        return self.attributed_cost or self.cost


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """The answers of a specialist and the generalist to one request, with their version, and the
    caller whose request it was."""

    request_id: str
    version: Version
    time: float
    specialist: ModelAnswer
    generalist: ModelAnswer
    caller: str = field(default="", repr=False)

    def without_texts(self) -> "AnswerPair":
        """The same without the texts of the answers."""
        return replace(
            self,
            specialist=replace(self.specialist, text=None),
            generalist=replace(self.generalist, text=None),
        )


@dataclass(frozen=True, slots=True)
class AnswerFeedback:
    """A client's feedback to one answer: a score in [0, 1], a right answer, or both.

    `grader` is the caller whose share of the day it takes; None: an operator's takes none.
    """

    score: float | None = None
    correction: str | None = None
    grader: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class GraderShare:
    """What one grader may add to a specialist's evidence on a day, such as `2026-11-23`."""

    grader: str = field(repr=False)
    day: str
    max_pairs: int


Noted = Literal["new", "replaced", "settled"]
"""What feedback became: the first to its answer, in place of earlier feedback, or nothing, since a
pair was graded by earlier feedback to this answer."""

Taken = Literal["taken", "gone", "over_share"]
"""Whether a pair was taken, or is left: another gateway took it, or its grader has no share left.
"""


@dataclass(frozen=True, slots=True)
class DailyUsage:
    """The usage of comparisons on one day: tokens, and list price in currency units."""

    tokens: int = 0
    cost: float = 0.0


Change = Callable[[SpecialistRecord | None], tuple[SpecialistRecord, Transition | None]]
"""Maps a specialist's record (None: new) to its next record and the transition, if any."""


class Store(Protocol):
    """Every method raises `StoreError` when the store cannot be used."""

    def standings(self) -> Mapping[str, SpecialistRecord]:
        """Each specialist's record."""

    def change(self, specialist: str, change: Change) -> tuple[SpecialistRecord, Transition | None]:
        """Replaces a record by the result of `change` and stores the transition, atomically."""

    def transitions(self, specialist: str, limit: int) -> Sequence[Transition]:
        """Its transitions, the newest first."""

    def remember(self, answers: Sequence[AnsweredRequest]) -> None:
        """Stores which models answered, so that feedback finds them; an id that is known stays
        what it is."""

    def model_of(self, request_id: str, caller: str | None) -> str | None:
        """The model that answered a request of a caller, or of any (None); None: unknown, another
        caller's or forgotten."""

    def claim(self, request_id: str, specialist: str, time: float) -> bool:
        """Claims a request for a comparison; False if it is already claimed, by any gateway. Its
        feedback is kept until all of its comparisons ended and all of their pairs are graded."""

    def release(self, request_id: str, specialist: str) -> None:
        """Notes that a claimed comparison ended, with a pair or without."""

    def keep(self, compared: AnswerPair) -> None:
        """Stores the two answers of a claimed request until they are graded; the comparison
        ended."""

    def waiting(self, request_id: str) -> Sequence[AnswerPair]:
        """The pairs of a request that are not graded."""

    def waiting_count(self) -> Mapping[str, int]:
        """How many pairs of each specialist are not graded."""

    def take(self, compared: AnswerPair, share: GraderShare | None) -> Taken:
        """Takes a pair out of the waiting ones, counts it to a grader's share if it is of one, and
        deletes its texts, and the request's feedback if no other comparison may need it."""

    def graded(self, specialist: str, share: GraderShare) -> int:
        """How many pairs of a specialist were counted to a share."""

    def note(self, request_id: str, model: str, note: AnswerFeedback, time: float) -> Noted:
        """Stores feedback, in place of earlier feedback to the same answer."""

    def notes(self, request_id: str) -> Mapping[str, AnswerFeedback]:
        """The feedback to a request's answers, by model."""

    def spend(self, day: str, tokens: int, cost: float) -> None:
        """Adds to the usage of a day, such as `2026-11-23`."""

    def spent(self, day: str) -> DailyUsage:
        """The usage of a day."""

    def forget(self, before: float) -> None:
        """Drops answers, pairs and feedback from before a time, in Unix seconds."""

    def close(self) -> None:
        """Closes the store."""


class StoreExecutor:
    """Calls a store on a dedicated thread.

    Args:
        store: closed together with the executor.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="evidence-store")

    async def run(self, task: Callable[[Store], _Result]) -> _Result:
        """Runs a task on the store's thread; returns its result.

        Raises:
            StoreError: the store cannot be used.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, task, self._store)

    def close(self) -> None:
        """Closes the store once all calls are finished."""
        self._thread.shutdown()
        self._store.close()
