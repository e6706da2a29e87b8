"""What a niche is: a system prompt, examples by split, and a grader."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deployments.completions import Completion, completion
from deployments.datasets.manifest import DATASETS, Dataset
from deployments.graders.counts import Grader, Reference
from deployments.graders.registry import GRADERS

__all__ = ["Example", "Niche", "Split"]

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
        graders: keys of `deployments.graders.registry.GRADERS`; the first is the niche's measure.
        max_answer_tokens: no right answer is longer.
        examples: the examples of a split, given the data directory.
        other_tests: further test sets by name, of other sources or kinds.
        own_data: what else it reads: files that are no part of the manifest.
        practice: further rows for the specialist to learn from, made by the project itself; the
            router is not trained on them.
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
    practice: Callable[[], Iterator[Example]] | None = None
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

    def lessons(self, split: Split, data_dir: Path) -> list[Example]:
        """A split as the specialist sees it: in training, its practice comes after the rows."""
        rows = list(self.examples(split, data_dir))
        if split == "train" and self.practice is not None:
            rows += self.practice()
        return rows

    @property
    def sources(self) -> tuple[Dataset, ...]:
        """The data sets and files that it is made of."""
        return (*(DATASETS[name] for name in self.datasets), *self.own_data)

    @property
    def complete(self) -> Callable[[str], str]:
        """From a finished answer to what is added to it."""
        return completion(self.completion)
