"""The waist of all graders: what an answer is held against, and what comes out."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """What is known of the right answer.

    Attributes:
        answer: a right answer.
        schema: `CREATE TABLE` statements, for graders that execute a query.
    """

    answer: str
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """One answer's, or many answers', grade: of `wanted` right items and `claimed` given ones,
    `hits` agree.

    A pass or fail is one item wanted and one claimed, so the quality of many is then their
    accuracy; for lists of items it is the micro-averaged F1.
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
