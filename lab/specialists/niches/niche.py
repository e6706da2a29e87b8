"""What a niche is: a system prompt, examples by split, and a grader."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from deployments.completions import Completion, completion
from lab.datasets.sources import DATASETS, Dataset
from router.grading.counts import Grader, Reference
from router.grading.registry import GRADERS

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Example:
    """One prompt of a user and the answer that is right.

    `group` names what must not be split between training and test, such as a table; `schema` is
    for graders that execute a query; `origin` is where it stands, for messages about it.
    """

    prompt: str
    answer: str
    group: str = ""
    schema: str = ""
    origin: str = field(default="", compare=False)

    @property
    def reference(self) -> Reference:
        """What a grader holds an answer against."""
        return Reference(self.answer, self.schema)


@dataclass(frozen=True)
class Niche:
    """A narrow task with a checkable answer.

    Attributes:
        name: the specialist's name.
        system_prompt: what the specialist is told first, in training and in serving alike.
        datasets: the manifest's names of the data sets that `examples` reads.
        graders: keys of `router.grading.registry.GRADERS`; the first is the niche's measure.
        max_answer_tokens: no right answer is longer.
        examples: the examples of a split, given the data directory.
        other_tests: further test sets by name, of other sources or kinds.
        own_data: what else it reads: files that are no part of the manifest.
        completion: names what adds to a finished answer, such as an equation's result; a key of
            `deployments.completions.COMPLETIONS`.
    """

    name: str
    system_prompt: str
    datasets: tuple[str, ...]
    graders: tuple[str, ...]
    max_answer_tokens: int
    examples: Callable[[Split, Path], Iterator[Example]]
    other_tests: Mapping[str, Callable[[Path], Iterator[Example]]] = field(default_factory=dict)
    own_data: tuple[Dataset, ...] = ()
    completion: Completion | None = None

    def __post_init__(self) -> None:
        unknown = [name for name in self.graders if name not in GRADERS]
        if unknown or not self.graders:
            raise ValueError(
                f"niche {self.name!r}: no grader {', '.join(unknown) or 'named'}; "
                f"known: {', '.join(GRADERS)}"
            )

    @property
    def grade(self) -> Grader:
        """The niche's measure."""
        return GRADERS[self.graders[0]]

    @property
    def sources(self) -> tuple[Dataset, ...]:
        """The data sets and files that it is made of."""
        return (*(DATASETS[name] for name in self.datasets), *self.own_data)

    def whole(self, example: Example) -> Example:
        """An example as its reader gets it: with what is added to the answer."""
        return replace(example, answer=example.answer + self.complete(example.answer))

    @property
    def complete(self) -> Callable[[str], str]:
        """From a finished answer to what is added to it."""
        return completion(self.completion)
