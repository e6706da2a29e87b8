"""What a niche is: a narrow task with examples whose answers can be checked.

A `Niche` defines a default specialist completely. To add one, add a file to
`lab/specialists/niches/`.
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

    Examples of one `group`, such as a table, stay in one split; `schema` is for graders that
    execute a query; `origin` is its file and row, for error messages. `tools` are functions that a
    request describes, as JSON of OpenAI's form; `system` is a client's system prompt, in place of
    the specialist's.
    """

    prompt: str
    answer: str
    group: str = ""
    schema: str = ""
    origin: str = field(default="", compare=False)
    tools: str = ""
    system: str = ""

    @property
    def reference(self) -> Reference:
        """The reference that a grader compares an answer with."""
        return Reference(self.answer, self.schema)


@dataclass(frozen=True)
class Instruction:
    """The instruction for a generalist, which was not trained for the niche.

    Attributes:
        text: the task and the form of the answer. `$labels` stands for what `labels` returns.
        labels: maps the training rows to the labels or functions that cannot be guessed.
        reasoned: the text instead, if there are no examples and the model may reason step by step.
        uncompleted: the text instead, if nothing is added to the generalist's answers.
        layout: the prefix of prompts in the layout of the test rows.
    """

    text: str
    labels: Callable[[Sequence[Example]], str] | None = None
    reasoned: str | None = None
    uncompleted: str | None = None
    layout: str = ""


@dataclass(frozen=True)
class FunctionSet:
    """What a niche learns of calling functions that a request describes, beside its own rows.

    Attributes:
        datasets: names in `lab.datasets.sources` of the data sets that are read.
        examples: returns the examples of a split, given the data directory.
        unseen: returns test rows of functions that are never trained on.
        graders: as of a niche.
        known: the functions that are trained on, as JSON of OpenAI's form.
        max_answer_tokens: the longest right answer.
    """

    datasets: tuple[str, ...]
    examples: Callable[[Split, Path], Iterator[Example]]
    unseen: Callable[[Path], Iterator[Example]]
    graders: tuple[str, ...]
    known: tuple[str, ...]
    max_answer_tokens: int


def _unchanged(prompt: str) -> str:
    return prompt


@dataclass(frozen=True)
class Niche:
    """A narrow task with a checkable answer.

    Attributes:
        name: the name of the specialist and of its file.
        system_prompt: the specialist's system prompt, in training and in serving.
        datasets: names in `lab.datasets.sources` of the data sets that `examples` reads.
        graders: keys of `router.grading.registry.GRADERS`; the first is the niche's measure.
        max_answer_tokens: the longest right answer.
        examples: returns the examples of a split, given the data directory.
        recipe: the training stages of the published adapter; for a user's own niche the number of
            rows decides instead.
        instruction: for a generalist; None: the system prompt.
        restyle: rewrites a prompt of the data set as users might write it, for the router's rows;
            deterministic.
        sample: a prompt for `niche demo`; None: none.
        groups_are_kinds: groups are kinds of prompts, such as a function, and occur in every split.
        other_tests: further test sets by name, of other sources or kinds.
        own_data: further files that it reads, which are not in `lab.datasets.sources`.
        completion: the completion of a finished answer, such as an equation's result; a key of
            `deployments.completions.COMPLETIONS`.
        grammar: of the answers, as `deployments.answer_grammar` says; None: engines leave their
            form to the model.
        functions: what it learns of calling functions; None: nothing. The router's rows are without
            it.
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
    grammar: str | None = None
    functions: FunctionSet | None = None

    def __post_init__(self) -> None:
        graders = (*self.graders, *(self.functions.graders if self.functions else ()))
        unknown = [name for name in graders if name not in GRADERS]
        if unknown or not self.graders:
            raise ValueError(
                f"niche {self.name!r}: no grader {', '.join(unknown) or 'named'}; "
                f"known: {', '.join(GRADERS)}"
            )
        missing = [name for name in self.read_datasets if name not in DATASETS]
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
        """The data sets and files that it reads."""
        return (*(DATASETS[name] for name in self.read_datasets), *self.own_data)

    @property
    def read_datasets(self) -> tuple[str, ...]:
        """The names of all data sets that it reads."""
        more = self.functions.datasets if self.functions else ()
        return tuple(dict.fromkeys((*self.datasets, *more)))

    def completed(self, example: Example) -> Example:
        """The example with the completion added to its answer."""
        return replace(example, answer=example.answer + self.complete(example.answer))

    @property
    def complete(self) -> Callable[[str], str]:
        """Maps a finished answer to the text that is added to it."""
        return completion(self.completion)
