"""`tools`: a user's request to an assistant -> one function call with its arguments, as JSON.

A few sentences occur in both parts of the set: they are used only for the test.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.datasets.manifest import read_rows
from lab.specialists.functions.catalogue import functions
from lab.specialists.functions.prompts import seen, unseen
from lab.specialists.functions.utterances import DATASETS
from lab.specialists.niche import Example, FunctionSet, Instruction, Niche, Split
from lab.specialists.recipe import LATER_STAGE, STAGE
from lab.specialists.restyling import as_typed

_VALIDATION_SHARE = 0.05

_GRAMMAR = r"""
answer: "{\"name\": \"" NAME "\", \"arguments\": {" (argument (", " argument)*)? "}}"
argument: "\"" NAME "\": " (VALUE | "[" VALUE (", " VALUE)* "]")
NAME: /[A-Za-z_][A-Za-z0-9_]*/
VALUE: "\"" TEXT "\""
TEXT: %copied {"\"": "\\\"", "\\": "\\\\"}
"""


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
    # draws one from "train", so that a sentence is never in both.
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


def _functions(train: Sequence[Example]) -> str:
    """One line per function: its name and its arguments, most frequent first."""
    given: dict[str, Counter[str]] = {}
    for example in train:
        made = json.loads(example.answer)
        given.setdefault(made["name"], Counter()).update(made["arguments"].keys())
    lines = (
        f"{name}({', '.join(argument for argument, _ in arguments.most_common())})"
        for name, arguments in sorted(given.items())
    )
    return "\n".join(lines)


NICHE = Niche(
    name="tools",
    system_prompt="Call one function, as JSON.",
    datasets=("snips",),
    graders=("json",),
    max_answer_tokens=96,
    examples=_examples,
    recipe=(
        replace(STAGE, epochs=2),
        # What the first stage learnt is kept by some of its rows.
        replace(
            LATER_STAGE,
            max_examples=3000,
            max_length_tokens=896,
            evaluate_every_steps=100,
            functions=True,
        ),
    ),
    instruction=Instruction(
        "Turn the request into one function call. Answer with JSON alone, like this: "
        '{"name": "function", "arguments": {"argument": "value"}}. Values are copied from the '
        "request; leave out arguments that it does not give. The functions and their arguments:\n"
        "$labels",
        labels=_functions,
    ),
    restyle=as_typed,
    grammar=_GRAMMAR,
    sample="play the newest album by Miles Davis on Spotify",
    groups_are_kinds=True,  # the functions
    functions=FunctionSet(
        datasets=DATASETS,
        examples=seen,
        unseen=unseen,
        graders=("calls", "arguments"),
        known=tuple(json.dumps(of.tool) for of in functions() if not of.held_out),
        max_answer_tokens=128,
    ),
)
