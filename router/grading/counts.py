"""The common input and output of all graders: a reference, and counts."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference that an answer is compared with.

    Attributes:
        answer: a right answer.
        schema: `CREATE TABLE` statements, for graders that execute a query.
    """

    answer: str
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """The grade of one or many answers: of `wanted` right items and `claimed` answered ones, `hits`
    agree.

    A pass or fail counts as one item wanted and one claimed, so that `quality` is the accuracy; for
    lists of items it is the micro-averaged F1.
    """

    hits: int = 0
    claimed: int = 0
    wanted: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= min(self.claimed, self.wanted):
            raise ValueError(f"{self.hits} hits of {self.claimed} claimed, {self.wanted} wanted")

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.hits + other.hits, self.claimed + other.claimed, self.wanted + other.wanted
        )

    @property
    def quality(self) -> float:
        """F1 of the items, in [0, 1]; 1 where nothing was wanted and nothing claimed."""
        items = self.claimed + self.wanted
        return 2 * self.hits / items if items else 1.0


Grader = Callable[[str, Reference], Counts]


def passed(right: bool) -> Counts:
    """The counts of an answer that is right or wrong as a whole."""
    return Counts(int(right), 1, 1)
