"""`biomed`: a sentence of a medical article -> the chemicals and diseases it mentions, as JSON.

A few sentences, such as headings, occur in several parts of the set: they are used only for the
test.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lab.datasets.draw import draw
from lab.datasets.manifest import read_rows
from lab.datasets.spacing import joined
from lab.specialists.niche import Example, Instruction, Niche, Split
from lab.specialists.recipe import STAGE
from lab.specialists.restyling import with_instruction

# The set's "devel" part is used in training, except a share, drawn by text, for validation.
_VALIDATION_SHARE = 0.1

_REQUESTS = (
    "List the chemicals and diseases in this sentence: {}",
    "Extract chemicals and diseases: {}",
    "Extract the drugs and diseases from the following text.\n\n{}",
    "Which chemicals and diseases does this sentence mention? {}",
    "NER: {}",
    "Named entities (chemical, disease): {}",
    "Tag the biomedical entities: {}",
    "Annotate this sentence of an abstract: {}",
    "Sentence: {}\nEntities:",
    "{}\n\nWhich drugs and diseases are named here?",
    "{}\nGive me the chemicals and diseases as JSON.",
    "Find all disease and chemical names. {}",
)


def mentions(entities: Sequence[dict[str, str]]) -> str:
    """The answer: every mention in the order of the sentence, including repetitions."""
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
    """The row with normal spacing; unchanged if a mention would no longer be found."""
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


NICHE = Niche(
    name="biomed",
    system_prompt="List chemicals and diseases, as JSON.",
    datasets=("bc5cdr",),
    graders=("entities", "json"),
    max_answer_tokens=192,
    examples=_examples,
    recipe=(replace(STAGE, epochs=2),),
    instruction=Instruction(
        "List the chemicals and the diseases that the sentence mentions, copied as they stand "
        "there, in their order. Answer with JSON alone, like this: "
        '{"chemicals": ["aspirin"], "diseases": ["headache"]}. A list is empty where nothing fits.'
    ),
    restyle=partial(with_instruction, _REQUESTS),
    sample="Two patients on carbamazepine developed hyponatremia and confusion.",
)
