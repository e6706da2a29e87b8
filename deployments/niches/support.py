"""`support`: a bank customer's message -> one of 77 intents, as JSON."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from deployments.datasets.draw import draw
from deployments.datasets.manifest import read_text
from deployments.niches.niche import Example, Niche, Split

__all__ = ["SUPPORT"]

_VALIDATION_SHARE = 0.05


def _examples(split: Split, data_dir: Path) -> Iterator[Example]:
    name = "banking77_test" if split == "test" else "banking77_train"
    for row in csv.DictReader(io.StringIO(read_text(name, data_dir), newline="")):
        text = " ".join(row["text"].split())
        # One intent is spelt with a capital and a question mark in the set.
        intent = row["category"].lower().rstrip("?")
        held_out = draw(text.lower(), "validation") < _VALIDATION_SHARE
        if split == "test" or held_out == (split == "validation"):
            yield Example(text, json.dumps({"intent": intent}), text.lower())


SUPPORT = Niche(
    name="support",
    system_prompt="Name the banking intent, as JSON.",
    datasets=("banking77_train", "banking77_test"),
    graders=("json",),
    max_answer_tokens=32,
    examples=_examples,
)
