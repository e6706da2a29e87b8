"""What models are asked: sets of questions, each with how its answers are graded.

Every niche has its own rows, and further sets where it names some; `general` is nobody's niche.
Which rows are taken is drawn from their text: more rows mean the same ones and others.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.datasets.draw import draw
from lab.datasets.general import MAX_ANSWER_TOKENS, questions
from lab.specialists.evaluation.answers import Answer
from lab.specialists.evaluation.matrix import Column
from lab.specialists.niches.niche import Example, Niche, Split
from router.grading.registry import GRADERS, as_read

GENERAL = "general"


@dataclass(frozen=True)
class Question:
    """A row, and the grader of each of its task's measures."""

    example: Example
    graders: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """A set of questions.

    Attributes:
        name: such as `sql`, `math/svamp`, `general`.
        niche: whose it is; None for the general set.
        measures: names of what is measured; the first is the task's own.
        questions: the rows.
        max_answer_tokens: longer answers are cut, whoever gives them.
        complete: what is added to an answer, whoever gives it, such as an equation's result.
    """

    name: str
    niche: Niche | None
    measures: tuple[str, ...]
    questions: tuple[Question, ...]
    max_answer_tokens: int
    complete: Callable[[str], str]

    @property
    def columns(self) -> tuple[Column, ...]:
        """A column of the matrix for each measure."""
        niche = self.niche.name if self.niche else None
        first, *others = self.measures
        home = self.niche is not None and self.name == niche
        return (
            Column(self.name if niche else first, self.name, niche, home),
            *(Column(f"{self.name} ({measure})", self.name, niche) for measure in others),
        )

    def grade(self, answers: Sequence[Answer]) -> list[NDArray[np.int64]]:
        """The counts under each measure, (rows, 3) each; every model's answers are read alike."""
        graded = []
        for measure in range(len(self.measures)):
            rows = [
                self._counts(question, question.graders[measure], answer)
                for question, answer in zip(self.questions, answers, strict=True)
            ]
            graded.append(np.array(rows, dtype=np.int64).reshape(-1, 3))
        return graded

    def _counts(self, question: Question, grader: str, answer: Answer) -> tuple[int, int, int]:
        reference = question.example.reference
        read = as_read(answer.text, grader, reference.answer)
        # An answer that the limit cut has not come to its end: the engine adds nothing either.
        whole = read if answer.cut else read + self.complete(read)
        found = GRADERS[grader](whole, reference)
        return found.hits, found.claimed, found.wanted


def niche_tasks(niche: Niche, rows: int, data_dir: Path, split: Split = "test") -> list[Task]:
    """A niche's rows, and those of its further test sets where the split is `test`.

    Args:
        niche: whose.
        rows: how many of each set; all, where it has fewer.
        data_dir: where the data sets lie.
        split: `test` to report; `validation` to choose by, under the first measure alone.

    Raises:
        DatasetError: a data set is absent or altered.
    """
    sets = {niche.name: map(niche.whole, niche.examples(split, data_dir))}
    measures = niche.graders if split == "test" else niche.graders[:1]
    if split == "test":
        others = {name: read(data_dir) for name, read in niche.other_tests.items()}
        sets |= {
            f"{niche.name}/{name}": map(niche.whole, examples) for name, examples in others.items()
        }
    return [
        Task(
            name,
            niche,
            measures,
            tuple(Question(example, measures) for example in _drawn(examples, rows)),
            niche.max_answer_tokens,
            niche.complete,
        )
        for name, examples in sets.items()
    ]


def general_task(rows: int, data_dir: Path) -> Task:
    """General knowledge, `rows` of each of its sources.

    Raises:
        DatasetError: a data set is absent or altered.
    """
    found = []
    for grader, examples in questions(data_dir).items():
        found += [Question(example, (grader,)) for example in _drawn(examples, rows)]
    return Task(GENERAL, None, (GENERAL,), tuple(found), MAX_ANSWER_TOKENS, lambda _: "")


def _drawn(examples: Iterable[Example], rows: int) -> list[Example]:
    return sorted(examples, key=lambda example: draw(example.prompt, "evaluation"))[:rows]
