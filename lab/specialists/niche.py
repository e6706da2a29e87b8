"""What a niche is: a narrow task with examples whose answers can be checked.

A `Niche` holds everything that the project knows of a default specialist. Adding one is adding one
file to `lab/specialists/niches/`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from deployments.completions import Completion, completion
from lab.datasets.sources import DATASETS, Dataset
from lab.specialists.recipe import TrainConfig
from router.grading.counts import Grader, Reference
from router.grading.registry import GRADERS

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Example:
    """One prompt of a user and the right answer.

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
class Instruction:
    """What a generalist, which was not trained for a niche, is told of its task.

    Attributes:
        text: the task and the form of the answer. `$labels` stands for what `labels` returns.
        labels: from the training rows to the labels or functions that nobody can guess.
        reasoned: said instead where no examples show a short answer and a model may think aloud.
        uncompleted: said instead where nothing is added to the generalist's answers.
        layout: how the prompts of those training rows begin that are laid out as test rows are.
    """

    text: str
    labels: Callable[[Sequence[Example]], str] | None = None
    reasoned: str | None = None
    uncompleted: str | None = None
    layout: str = ""


def _unchanged(prompt: str) -> str:
    return prompt


@dataclass(frozen=True)
class Niche:
    """A narrow task with a checkable answer.

    Attributes:
        name: the specialist's name, and that of its file.
        system_prompt: what the specialist is told first, in training and in serving alike.
        datasets: names in `lab.datasets.sources` of the data sets that `examples` reads.
        graders: keys of `router.grading.registry.GRADERS`; the first is the niche's measure.
        max_answer_tokens: no right answer is longer.
        examples: the examples of a split, given the data directory.
        recipe: the stages of training that make the adapter that ships; for a niche of one's own
            the number of rows decides instead.
        instruction: for a generalist; None tells it the system prompt.
        restyle: from a prompt of the data set to one as users might write it, for the router's
            rows; the same one at every call.
        sample: a prompt for `niche demo`; None shows none.
        groups_are_kinds: groups are kinds of prompts, such as a function, and stand in every
            split.
        other_tests: further test sets by name, of other sources or kinds.
        own_data: what else it reads: files that `lab.datasets.sources` does not name.
        completion: names what adds to a finished answer, such as an equation's result; a key of
            `deployments.completions.COMPLETIONS`.
    """

    name: str
    system_prompt: str
    datasets: tuple[str, ...]
    graders: tuple[str, ...]
    max_answer_tokens: int
    examples: Callable[[Split, Path], Iterator[Example]]
    recipe: tuple[TrainConfig, ...] = ()
    instruction: Instruction | None = None
    restyle: Callable[[str], str] = _unchanged
    sample: str | None = None
    groups_are_kinds: bool = False
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
        missing = [name for name in self.datasets if name not in DATASETS]
        if missing:
            raise ValueError(
                f"niche {self.name!r}: no data set {missing[0]!r} in lab/datasets/sources.py"
            )

    @property
    def grade(self) -> Grader:
        """The niche's measure."""
        return GRADERS[self.graders[0]]

    @property
    def sources(self) -> tuple[Dataset, ...]:
        """The data sets and files that it is made of."""
        return (*(DATASETS[name] for name in self.datasets), *self.own_data)

    def completed(self, example: Example) -> Example:
        """An example as its reader gets it: with what is added to the answer."""
        return replace(example, answer=example.answer + self.complete(example.answer))

    @property
    def complete(self) -> Callable[[str], str]:
        """From a finished answer to what is added to it."""
        return completion(self.completion)
