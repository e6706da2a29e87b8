"""Word problems of our own: short stories with several numbers, each with several questions.

Problems in textbooks use every number that they name, so that a model may learn to look at the
numbers alone. Here the same story is asked about in different ways, and mostly names a number that
the question does not need.

The stories stand in `stories.json`: a text with the slots `{n}` and `{m}` (names), `{x}` and `{y}`
(things), `{p}` (a place) and `{a}`, `{b}`, `{c}` (numbers); what must hold of the numbers; and the
questions with the expressions that solve them.
"""

import hashlib
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.calculator import calculate
from deployments.datasets.sources import Dataset

__all__ = ["STORIES", "Story", "read_stories", "told"]

_FILE = Path(__file__).parent / "stories.json"
STORIES = Dataset(
    path=_FILE.name,
    source="this project, deployments/niches/stories.json",
    licence="Apache-2.0",
    sha256=hashlib.sha256(_FILE.read_bytes()).hexdigest(),
)

_SLOT = re.compile(r"\b[abc]\b")
_FEW = 12
_LARGEST = (12, 20, 60, 200)
_ATTEMPTS = 2000


@dataclass(frozen=True)
class Story:
    """A story and what can be asked about it.

    Attributes:
        text: with slots.
        positive: expressions that are above zero, whatever is asked.
        whole: expressions without a rest.
        few: slots of numbers that are small.
        ask: from a question to the expression that solves it; it is above zero too.
    """

    text: str
    positive: list[str]
    whole: list[str]
    few: str
    ask: dict[str, str]


def read_stories() -> tuple[dict[str, list[str]], list[Story]]:
    """The words that fill the slots, and the stories."""
    found: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    stories = [Story(**story) for story in found.pop("stories")]
    return found, stories


def told(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Yields `count` problems and the expressions that solve them, the same ones for a seed.

    Every result is above zero, and every number of the story is named once.
    """
    words, stories = read_stories()
    questions = [(story, question) for story in stories for question in story.ask]
    rng = random.Random(seed)
    for number in range(count):
        story, question = questions[number % len(questions)]
        n, m = rng.sample(words["names"], 2)
        x, y = rng.sample(words["things"], 2)
        numbers = _numbers(story, story.ask[question], rng)
        filled = {"n": n, "m": m, "x": x, "y": y, "p": rng.choice(words["places"]), **numbers}
        yield f"{story.text} {question}".format(**filled), _put(story.ask[question], numbers)


def _numbers(story: Story, expression: str, rng: random.Random) -> dict[str, int]:
    for _ in range(_ATTEMPTS):
        largest = rng.choice(_LARGEST)
        numbers = {slot: rng.randint(2, _FEW if slot in story.few else largest) for slot in "abc"}
        if len(set(numbers.values())) == len(numbers) and _fits(story, expression, numbers):
            return numbers
    raise ValueError(f"no numbers fit {story.text!r}; less must hold of them")


def _fits(story: Story, expression: str, numbers: dict[str, int]) -> bool:
    above = [calculate(_put(of, numbers)) for of in (*story.positive, expression)]
    parts = [calculate(_put(of, numbers)) for of in story.whole]
    return all(value is not None and value > 0 for value in above) and all(
        value is not None and value.denominator == 1 for value in parts
    )


def _put(expression: str, numbers: dict[str, int]) -> str:
    return _SLOT.sub(lambda slot: str(numbers[slot[0]]), expression)
