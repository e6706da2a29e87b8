"""Sets of questions for models, each with the graders of its answers.

Every niche has its own rows, and possibly further sets. `general` belongs to no niche: general
knowledge that can be graded without a judge; its questions say how to answer.
Rows are drawn by their text: a larger number includes the rows of a smaller one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.datasets.draw import draw
from lab.datasets.manifest import read_rows
from lab.specialists.evaluation.answers import GeneratedAnswer
from lab.specialists.evaluation.matrix import Column
from lab.specialists.niche import Example, Niche, Split
from lab.statistics.bootstrap import group_numbers
from router.grading.registry import GRADERS, as_read

GENERAL = "general"

_GENERAL_ANSWER_TOKENS = 32


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
        niche: its niche; None for the general set.
        measures: names of its measures; the first is the main one.
        questions: the rows.
        max_answer_tokens: longer answers are cut.
        complete: completes every model's answers, such as with an equation's result.
    """

    name: str
    niche: Niche | None
    measures: tuple[str, ...]
    questions: tuple[Question, ...]
    max_answer_tokens: int
    complete: Callable[[str], str]

    @property
    def columns(self) -> tuple[Column, ...]:
        """One column of the matrix per measure."""
        niche = self.niche.name if self.niche else None
        first, *others = self.measures
        home = self.niche is not None and self.name == niche
        return (
            Column(self.name if niche else first, self.name, niche, home),
            *(Column(f"{self.name} ({measure})", self.name, niche) for measure in others),
        )

    @property
    def groups(self) -> NDArray[np.int64]:
        """The number of each row's group, such as its table; each row is its own where groups are
        kinds of prompts."""
        kinds = self.niche is not None and self.niche.groups_are_kinds
        return group_numbers(["" if kinds else of.example.group for of in self.questions])

    def grade(self, answers: Sequence[GeneratedAnswer]) -> list[NDArray[np.int64]]:
        """The counts under each measure, (rows, 3) each; the same for every model."""
        graded = []
        for measure in range(len(self.measures)):
            rows = [
                self._counts(question, question.graders[measure], answer)
                for question, answer in zip(self.questions, answers, strict=True)
            ]
            graded.append(np.array(rows, dtype=np.int64).reshape(-1, 3))
        return graded

    def _counts(
        self, question: Question, grader: str, answer: GeneratedAnswer
    ) -> tuple[int, int, int]:
        reference = question.example.reference
        read = as_read(answer.text, grader, reference.answer)
        # Answers cut by the limit are not completed, as in the engine.
        whole = read if answer.cut else read + self.complete(read)
        found = GRADERS[grader](whole, reference)
        return found.hits, found.claimed, found.wanted


def niche_tasks(niche: Niche, rows: int, data_dir: Path, split: Split = "test") -> list[Task]:
    """A niche's rows and, for the split `test`, those of its further test sets.

    Args:
        niche: the niche.
        rows: the number of rows per set; all, if it has fewer.
        data_dir: the folder of the data sets.
        split: `test` for reports; `validation` to choose settings, with the first measure only.

    Raises:
        DatasetError: a data set is absent or altered.
    """
    sets = {niche.name: map(niche.completed, niche.examples(split, data_dir))}
    measures = niche.graders if split == "test" else niche.graders[:1]
    if split == "test":
        others = {name: read(data_dir) for name, read in niche.other_tests.items()}
        sets |= {
            f"{niche.name}/{name}": map(niche.completed, examples)
            for name, examples in others.items()
        }
    return [
        Task(
            name,
            niche,
            measures,
            tuple(Question(example, measures) for example in drawn(examples, rows)),
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
    for grader, examples in general_questions(data_dir).items():
        found += [Question(example, (grader,)) for example in drawn(examples, rows)]
    return Task(GENERAL, None, (GENERAL,), tuple(found), _GENERAL_ANSWER_TOKENS, lambda _: "")


def general_questions(data_dir: Path) -> Mapping[str, list[Example]]:
    """General questions by their grader: Wikidata facts as sentences to complete, and school
    science questions with lettered options.

    Raises:
        DatasetError: a data set is absent or altered.
    """
    return {
        "mentions": [
            Example(f"Complete in a few words: {row['context']}", row["continuation"])
            for row in read_rows("qa_wikidata", data_dir)
        ],
        "choice": [
            Example(_lettered(row["query"], row["choices"]), "ABCDEFGHIJ"[row["gold"]])
            for row in read_rows("arc_easy", data_dir)
        ],
    }


def _lettered(query: str, choices: list[str]) -> str:
    options = [f"{letter}. {text}" for letter, text in zip("ABCDEFGHIJ", choices, strict=False)]
    question = query.removeprefix("Question: ")
    return "\n".join([question, *options, "Answer with the letter alone."])


def drawn(examples: Iterable[Example], rows: int) -> list[Example]:
    """At most `rows` of the examples, drawn by their text."""
    return sorted(examples, key=lambda example: draw(example.prompt, "evaluation"))[:rows]
