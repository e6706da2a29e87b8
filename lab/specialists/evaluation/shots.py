"""Examples to show a model before it is asked: drawn from a niche's training rows.

Two ways. Fixed: the same for every question, drawn by their text, no two of the same group (table,
function) while there are others. Nearest: for each question those whose words are most like its
own, the most like last, where models heed examples most; that is a search in the training rows,
and stands for what a prompt with retrieval could do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from lab.datasets.draw import draw
from lab.specialists.niches.niche import Example

Choice = Literal["fixed", "nearest"]

_SPARE = 5
"""Rows beyond the wanted, in case some are the question itself."""


@dataclass(frozen=True)
class Shots:
    """How many examples, and which."""

    choice: Choice
    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"examples to show: at least 1, got {self.count}")

    def of(self, train: Sequence[Example], questions: Sequence[str]) -> list[list[Example]]:
        """The examples for each question, in the order they are shown."""
        if self.choice == "fixed":
            return [fixed(train, self.count)] * len(questions)
        return nearest(train, questions, self.count)


def fixed(train: Sequence[Example], count: int) -> list[Example]:
    """The same examples every time, of as many groups as there are."""
    seen: dict[str, int] = {}
    ranked = []
    for example in sorted(train, key=lambda example: draw(example.prompt, "shots")):
        round_of = seen[example.group] = seen.get(example.group, -1) + 1
        ranked.append((round_of, example))
    # The sort is stable: the first of every group, as drawn, then the second of every group.
    return [example for _, example in sorted(ranked, key=lambda pair: pair[0])[:count]]


def nearest(train: Sequence[Example], questions: Sequence[str], count: int) -> list[list[Example]]:
    """For each question the examples that share most of its words, rare words counting more.

    A question that is itself a training row would be answered by it: such rows are left out.
    """
    vectors = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+|[^\w\s]")
    words = vectors.fit_transform([example.prompt for example in train]).T
    chosen = []
    for question in questions:
        scores = (vectors.transform([question]) @ words).toarray()[0]
        # Equally alike rows differ in the last digits, by chance; the earlier one is taken.
        order = np.argsort(-scores.round(9), kind="stable")[: count + _SPARE]
        others = [train[int(row)] for row in order if train[int(row)].prompt != question]
        chosen.append(others[:count][::-1])
    return chosen
