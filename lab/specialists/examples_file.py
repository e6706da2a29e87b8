"""Examples from a file of JSON Lines (`.gz` or not).

A row is an object with these fields; any other field is refused.

    prompt a user's message
    answer   the right answer, as text; a JSON answer is text too
    group rows that must stay in one split, such as those of a table or a document
             (default: the prompt, so that duplicates stay together)
    schema   `CREATE TABLE` statements, for the grader that executes a query
"""

import difflib
import json
from pathlib import Path
from typing import Any

from lab.datasets.manifest import DatasetError
from lab.specialists.niche import Example
from lab.statistics.jsonl import Fault, Line, read_files, shorten, string
from router.errors import DataError

_REQUIRED = ("prompt", "answer")
_FIELDS = (*_REQUIRED, "group", "schema")


def read_examples(*paths: Path) -> list[list[Example]]:
    """The examples of each file, in order, each with its `origin`: file name and row.

    Raises:
        DatasetError: a file cannot be read or holds nothing, or rows have faults; those of all
            files are reported together.
    """
    try:
        return read_files(paths, _example)
    except DataError as error:
        raise DatasetError(str(error)) from error


def _example(line: Line) -> Example:
    fields = line.fields
    for name in fields:
        if name not in _FIELDS:
            close = difflib.get_close_matches(name, _FIELDS, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise Fault(f"unknown field {shorten(name)}; {hint}allowed: {', '.join(_FIELDS)}")
    missing = [name for name in _REQUIRED if name not in fields]
    if missing:
        raise Fault(f"no {' and no '.join(missing)}; every row needs {' and '.join(_REQUIRED)}")
    texts = {
        name: _text(value, name)
        for name, value in fields.items()
        if value is not None or name in _REQUIRED  # null means that there is none
    }
    for name in _REQUIRED:
        if not texts[name].strip():
            raise Fault(f"the {name} is empty; fill it, or remove the row")
    if _is_blank_json(texts["answer"]):
        raise Fault(
            f"the answer {shorten(texts['answer'])} holds no text; fill it, or remove the row"
        )
    return Example(**texts, origin=f"{line.path.name}, row {line.number}")


def _is_blank_json(answer: str) -> bool:
    """Whether it is JSON with only empty texts, such as `{"intent": ""}`; an empty list may be a
    right answer."""
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return False
    texts = list(value.values()) if isinstance(value, dict) else [value]
    return bool(texts) and all(isinstance(text, str) and not text.strip() for text in texts)


def _text(value: Any, name: str) -> str:
    if isinstance(value, dict | list):
        raise Fault(f"{name} is {shorten(value)}; write that JSON as text, in quotes")
    return string(value, name)
