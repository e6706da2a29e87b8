"""`biomed`: a sentence of a medical article -> the chemicals and diseases it mentions, as JSON.

A few sentences, such as headings, stand in several parts of the set: they are for the test alone.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lab.datasets.draw import draw
from lab.datasets.manifest import read_rows
from lab.datasets.spacing import joined
from lab.specialists.niches.niche import Example, Niche, Split

# The set's own "devel" part trains too; a share of it, drawn by the text, is for validation.
_VALIDATION_SHARE = 0.1


def mentions(entities: Sequence[dict[str, str]]) -> str:
    """The answer: every mention in the order of the sentence, twice if it stands there twice."""
    found: dict[str, list[str]] = {"chemicals": [], "diseases": []}
    for entity in entities:
        found["chemicals" if entity["type"] == "Chemical" else "diseases"].append(entity["text"])
    return json.dumps(found, ensure_ascii=False)


def _split(row: dict[str, Any]) -> Split:
    if row["split"] == "test":
        return "test"
    held_out = row["split"] == "devel" and draw(row["text"], "validation") < _VALIDATION_SHARE
    return "validation" if held_out else "train"


def _written(row: dict[str, Any]) -> Example:
    """The row as people write it; as the set has it where a mention would no longer be found."""
    text = joined(row["text"])
    entities = [{**entity, "text": joined(entity["text"])} for entity in row["entities"]]
    if all(entity["text"] in text for entity in entities):
        return Example(text, mentions(entities), text)
    return Example(row["text"], mentions(row["entities"]), row["text"])


def _examples(split: Split, data_dir: Path) -> Iterator[Example]:
    rows = list(read_rows("bc5cdr", data_dir))
    tested = {row["text"] for row in rows if _split(row) == "test"}
    for row in rows:
        if _split(row) == split and (split == "test" or row["text"] not in tested):
            yield _written(row)


BIOMED = Niche(
    name="biomed",
    system_prompt="List chemicals and diseases, as JSON.",
    datasets=("bc5cdr",),
    graders=("entities", "json"),
    max_answer_tokens=192,
    examples=_examples,
)
