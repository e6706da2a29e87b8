"""Examples from a file of JSON Lines (`.gz` or not).

A row is an object with these fields; any other field is refused.

    prompt   what a user says
    answer   the right answer, as text; a JSON answer is text too
    group    what must not stand in both training and test, such as a table or a document
             (default: the prompt, so that duplicates stay together)
    schema   `CREATE TABLE` statements, for the grader that executes a query

Rule: a file is read to its end before anything is refused: its faults are reported together, each
with its row, which is its line in the file.
"""

import codecs
import difflib
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lab.datasets.manifest import DatasetError
from lab.specialists.errors import format_faults, shorten
from lab.specialists.niche import Example

_REQUIRED = ("prompt", "answer")
_FIELDS = (*_REQUIRED, "group", "schema")


class _Fault(Exception):
    """What is wrong with one row, and the remedy."""


def read_examples(*paths: Path) -> list[list[Example]]:
    """The examples of each file, in order; every one knows its `origin`: file name and row.

    Raises:
        DatasetError: a file cannot be read or holds nothing, or rows have faults; those of all
            files are reported together.
    """
    faults: list[str] = []
    found = [_examples(path, faults) for path in paths]
    for path, examples in zip(paths, found, strict=True):
        if not examples and not faults:
            raise DatasetError(f"{path}: holds no rows; write one JSON object a line")
    if faults:
        raise DatasetError(format_faults(faults))
    return found


def _examples(path: Path, faults: list[str]) -> list[Example]:
    found = []
    for number, line in _lines(path):
        origin = f"{path.name}, row {number}"
        try:
            found.append(_example(_object(line), origin))
        except _Fault as fault:
            faults.append(f"{origin}: {fault}")
    return found


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers."""
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.removeprefix(codecs.BOM_UTF8)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DatasetError(f"{path}: cannot be read: {reason}; name a readable file") from error


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]  # the stubs give it a class of its own


def _object(line: bytes) -> dict[str, Any]:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise _Fault(
            f"not UTF-8 (byte 0x{line[error.start]:02x}); save the file as UTF-8 text"
        ) from error
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _Fault(f"not JSON: {shorten(text.strip())}; write one JSON object a line") from error
    if not isinstance(value, dict):
        raise _Fault(f'not an object: {shorten(value)}; write {{"prompt": "...", "answer": "..."}}')
    return value


def _example(fields: dict[str, Any], origin: str) -> Example:
    for name in fields:
        if name not in _FIELDS:
            close = difflib.get_close_matches(name, _FIELDS, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise _Fault(f"unknown field {shorten(name)}; {hint}allowed: {', '.join(_FIELDS)}")
    missing = [name for name in _REQUIRED if name not in fields]
    if missing:
        raise _Fault(f"no {' and no '.join(missing)}; every row needs {' and '.join(_REQUIRED)}")
    texts = {
        name: _text(value, name)
        for name, value in fields.items()
        if value is not None or name in _REQUIRED  # null says that there is none
    }
    for name in _REQUIRED:
        if not texts[name].strip():
            raise _Fault(f"the {name} is empty; fill it, or remove the row")
    if _is_blank_json(texts["answer"]):
        raise _Fault(
            f"the answer {shorten(texts['answer'])} holds no text; fill it, or remove the row"
        )
    return Example(**texts, origin=origin)


def _is_blank_json(answer: str) -> bool:
    """Whether it is JSON of empty texts alone, such as `{"intent": ""}`; an empty list is a list
    of nothing, and may be right."""
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return False
    texts = list(value.values()) if isinstance(value, dict) else [value]
    return bool(texts) and all(isinstance(text, str) and not text.strip() for text in texts)


def _text(value: Any, name: str) -> str:
    if isinstance(value, dict | list):
        raise _Fault(f"{name} is {shorten(value)}; write that JSON as text, in quotes")
    if not isinstance(value, str):
        raise _Fault(f"{name} is {shorten(value)}; it must be text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _Fault(
            f"{name} holds half a character ({value[error.start]!a}); remove it"
        ) from error
    return value
