"""What a niche is: a system prompt, examples by split, and a grader."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deployments.graders import GRADERS, Grader

__all__ = ["Example", "Niche", "Split"]

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Example:
    """One prompt of a user and the answer that is right.

    `group` names what must not be split between training and test, such as a table.
    """

    prompt: str
    answer: str
    group: str = ""


@dataclass(frozen=True)
class Niche:
    """A narrow task with a checkable answer.

    Attributes:
        name: the specialist's name.
        system_prompt: what the specialist is told first, in training and in serving alike.
        datasets: the manifest's names of the data sets that `examples` reads.
        grader: a key of `deployments.graders.GRADERS`.
        max_answer_tokens: no right answer is longer.
        examples: the examples of a split, given the data directory.
    """

    name: str
    system_prompt: str
    datasets: tuple[str, ...]
    grader: str
    max_answer_tokens: int
    examples: Callable[[Split, Path], Iterator[Example]]

    def __post_init__(self) -> None:
        if self.grader not in GRADERS:
            raise ValueError(
                f"niche {self.name!r}: no grader {self.grader!r}; known: {', '.join(GRADERS)}"
            )

    @property
    def grade(self) -> Grader:
        """The function that tells whether an answer is right."""
        return GRADERS[self.grader]
