"""`tools`: what somebody says to an assistant -> one function call with its arguments, as JSON.

A few sentences stand in both parts of the set: they are for the test alone.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.datasets.manifest import read_rows
from lab.specialists.niches.niche import Example, Niche, Split

_VALIDATION_SHARE = 0.05


def call(row: dict[str, Any]) -> str:
    """The function call of a row; an argument that is named twice becomes a list."""
    arguments: dict[str, Any] = {}
    for slot in row["slots"]:
        name, value = slot["entity"], slot["value"]
        if name in arguments:
            earlier = arguments[name]
            arguments[name] = [*(earlier if isinstance(earlier, list) else [earlier]), value]
        else:
            arguments[name] = value
    return json.dumps({"name": row["intent"], "arguments": arguments}, ensure_ascii=False)


def _split(row: dict[str, Any]) -> Split:
    # The set has no validation part of its own ("valid" is its test part): a hash of the text
    # draws one from "train", so that the same sentence never stands on both sides.
    if row["split"] == "valid":
        return "test"
    draw = int.from_bytes(hashlib.sha256(row["text"].lower().encode()).digest()[:4], "big") / 2**32
    return "validation" if draw < _VALIDATION_SHARE else "train"


def _examples(split: Split, data_dir: Path) -> Iterator[Example]:
    rows = list(read_rows("snips", data_dir))
    tested = {row["text"].lower() for row in rows if _split(row) == "test"}
    for row in rows:
        if _split(row) == split and (split == "test" or row["text"].lower() not in tested):
            yield Example(row["text"], call(row), row["intent"])


TOOLS = Niche(
    name="tools",
    system_prompt="Call one function, as JSON.",
    datasets=("snips",),
    graders=("json",),
    max_answer_tokens=96,
    examples=_examples,
)
