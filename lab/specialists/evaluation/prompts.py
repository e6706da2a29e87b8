"""Prompts for a generalist that are fair: instruction, answer format, labels and examples.

A generalist was not trained for a niche, so its prompt states the task, the form of the answer, and
every label or function (read from the training rows). Few-shot prompts add examples from the
training rows, as earlier turns of the chat. A
niche without an instruction, such as a user's own, is prompted with its system prompt.

Examples are fixed or nearest. Fixed: the same for every question, drawn by their text, from
different groups (table, function) as far as possible. Nearest: for each question the examples with
the most similar words, the most similar last, where models pay most attention; this approximates a
prompt with retrieval.

The styles were compared on validation rows, never on test rows; see `FEW_SHOT`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Literal

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from deployments.protocol import Message
from lab.datasets.draw import draw
from lab.specialists.niche import Example, Instruction, Niche

Choice = Literal["fixed", "nearest"]

_SPARE = 5
"""Spare rows, in case some are the question itself."""


@dataclass(frozen=True)
class Shots:
    """The number and the choice of examples."""

    choice: Choice
    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"examples to show: at least 1, got {self.count}")

    def of(self, train: Sequence[Example], questions: Sequence[str]) -> list[list[Example]]:
        """The examples for each question, in prompt order."""
        if self.choice == "fixed":
            return [fixed(train, self.count)] * len(questions)
        return nearest(train, questions, self.count)


def fixed(train: Sequence[Example], count: int) -> list[Example]:
    """Fixed examples, from as many groups as possible."""
    seen: dict[str, int] = {}
    ranked = []
    for example in sorted(train, key=lambda example: draw(example.prompt, "shots")):
        round_of = seen[example.group] = seen.get(example.group, -1) + 1
        ranked.append((round_of, example))
    # The sort is stable: the first of every group, as drawn, then the second of every group.
    return [example for _, example in sorted(ranked, key=lambda pair: pair[0])[:count]]


def nearest(train: Sequence[Example], questions: Sequence[str], count: int) -> list[list[Example]]:
    """For each question, the examples with the most words in common, weighted by rarity.

    Rows equal to the question are left out, since they would give its answer.
    """
    vectors = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+|[^\w\s]")
    words = vectors.fit_transform([example.prompt for example in train]).T
    chosen = []
    for question in questions:
        scores = (vectors.transform([question]) @ words).toarray()[0]
        # Equally similar rows may differ in the last digits by rounding; the earlier one is taken.
        order = np.argsort(-scores.round(9), kind="stable")[: count + _SPARE]
        others = [train[int(row)] for row in order if train[int(row)].prompt != question]
        chosen.append(others[:count][::-1])
    return chosen


@dataclass(frozen=True)
class PromptStyle:
    """The position of the instruction, and the examples (None: no examples).

    `within` puts the instruction into the user's message, before the question; else it is the
    system message.
    """

    name: str
    shots: Shots | None = None
    within: bool = False


PROMPT_STYLES: Mapping[str, PromptStyle] = {
    style.name: style
    for style in (
        PromptStyle("zero-shot"),
        PromptStyle("zero-shot within", within=True),
        PromptStyle("fixed 8", Shots("fixed", 8)),
        PromptStyle("nearest 8", Shots("nearest", 8)),
    )
}

REASONING_TOKENS = 256
"""The limit for answers with reasoning: the default stack's limit for a generalist."""

ZERO_SHOT, FEW_SHOT = PROMPT_STYLES["zero-shot"], PROMPT_STYLES["nearest 8"]
"""The better style without examples and the better one with them.

On 40 validation rows of each niche, SmolLM2-135M-Instruct, under the niche's first measure:

                        sql    tools  math   biomed  support
    zero-shot           0.00   0.00   0.00   0.01    0.00
    zero-shot within    0.00   0.00   0.02   0.01    0.00
    fixed 8             0.05   0.00   0.04   0.19    0.15
    nearest 8           0.23   0.08   0.17   0.45    0.60

(math on 48 rows; without examples with `Instruction.reasoned`, and 0.02 with the short form and 64
tokens: it cannot do it either way, and a larger model is better off with the former.)
"""


def chats_for(
    style: PromptStyle,
    niche: Niche,
    questions: Sequence[str],
    train: Sequence[Example],
    *,
    completes: bool = True,
) -> list[tuple[Message, ...]]:
    """The chats that put the questions to a generalist.

    Args:
        style: the style of the prompts.
        niche: the niche of the task.
        questions: as users write them.
        train: the niche's training rows, the source of labels, functions and examples.
        completes: whether `Niche.completion` is applied to the answers.
    """
    instruction = niche.instruction or Instruction(niche.system_prompt)
    text = _text(instruction, train, short=style.shots is not None, completes=completes)
    shown: list[list[Example]] = [[]] * len(questions)
    if style.shots is not None:
        alike = [example for example in train if example.prompt.startswith(instruction.layout)]
        shown = style.shots.of(alike, questions)
    return [
        _chat(style, text, examples, question)
        for examples, question in zip(shown, questions, strict=True)
    ]


def answer_tokens(style: PromptStyle, niche: Niche) -> int:
    """The token limit of an answer: the niche's own, or a higher one for reasoning."""
    reasons = style.shots is None and niche.instruction and niche.instruction.reasoned
    return max(niche.max_answer_tokens, REASONING_TOKENS) if reasons else niche.max_answer_tokens


def _text(
    instruction: Instruction, train: Sequence[Example], *, short: bool, completes: bool
) -> str:
    text = instruction.text
    if instruction.reasoned and not short:
        text = instruction.reasoned
    elif instruction.uncompleted and not completes:
        text = instruction.uncompleted
    if instruction.labels is None:
        return text
    return Template(text).substitute(labels=instruction.labels(train))


def _chat(
    style: PromptStyle, text: str, examples: Sequence[Example], question: str
) -> tuple[Message, ...]:
    earlier = [
        message
        for example in examples
        for message in (Message("user", example.prompt), Message("assistant", example.answer))
    ]
    if style.within:
        return (*earlier, Message("user", f"{text}\n\n{question}"))
    return (Message("system", text), *earlier, Message("user", question))
