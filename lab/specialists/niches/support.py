"""`support`: a bank customer's message -> one of 77 intents, as JSON.

A few messages occur in both parts of the set: they are used only for the test.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lab.datasets.draw import draw
from lab.datasets.manifest import read_text
from lab.specialists.niche import Example, Instruction, Niche, Split
from lab.specialists.recipe import STAGE
from lab.specialists.restyling import as_typed, with_instruction

_VALIDATION_SHARE = 0.05

_REQUESTS = (
    "Customer message: {}",
    "Customer: {}",
    "A customer writes: {}",
    "Message from a bank customer: {}\nIntent:",
    "Classify this banking message: {}",
    "Classify the intent of this customer's message: {}",
    "What is the intent? {}",
    "Which banking intent is this: {}",
    "Label this message to our bank with its intent.\n\n{}",
    "Bank support chat: {}",
    "{}\nWhat does this customer want?",
    "Intent of: {}",
)


def _rows(name: str, data_dir: Path) -> Iterator[Example]:
    for row in csv.DictReader(io.StringIO(read_text(name, data_dir), newline="")):
        text = " ".join(row["text"].split())
        # One intent has a capital and a question mark in the set.
        intent = row["category"].lower().rstrip("?")
        yield Example(text, json.dumps({"intent": intent}), text.lower())


def _examples(split: Split, data_dir: Path) -> Iterator[Example]:
    tested = list(_rows("banking77_test", data_dir))
    if split == "test":
        yield from tested
        return
    messages = {example.group for example in tested}
    for example in _rows("banking77_train", data_dir):
        validates = draw(example.group, "validation") < _VALIDATION_SHARE
        if validates == (split == "validation") and example.group not in messages:
            yield example


def _intents(train: Sequence[Example]) -> str:
    return ", ".join(sorted({json.loads(example.answer)["intent"] for example in train}))


def _restyled(prompt: str) -> str:
    return with_instruction(_REQUESTS, as_typed(prompt))


NICHE = Niche(
    name="support",
    system_prompt="Name the banking intent, as JSON.",
    datasets=("banking77_train", "banking77_test"),
    graders=("json",),
    max_answer_tokens=32,
    examples=_examples,
    recipe=(replace(STAGE, epochs=3),),
    instruction=Instruction(
        "Name the intent of a bank customer's message. Answer with JSON alone, like this: "
        '{"intent": "card_arrival"}. The intents are: $labels.',
        labels=_intents,
    ),
    restyle=_restyled,
    sample="Why was my card payment declined at the supermarket?",
)
