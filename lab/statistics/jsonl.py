"""JSON Lines that people and programs write: one object a line, `.gz` or not.

Rule: a file is read to its end before an error is raised, so that the error lists all faults with
their lines.
"""

import codecs
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from router.errors import DataError

T = TypeVar("T")

_MOST_FAULTS = 20
_SHOWN_CHARACTERS = 60


class Fault(Exception):
    """A fault of one line, with its remedy; it becomes a line of a `DataError`."""


@dataclass(frozen=True, slots=True)
class Line:
    """One object of a file, with its file and line number."""

    path: Path
    number: int
    fields: dict[str, Any]


def read_jsonl(path: Path, parse: Callable[[dict[str, Any]], T]) -> list[T]:
    """The result of `parse` for each line; blank lines are skipped.

    Args:
        path: the file; read through gzip where its name ends in `.gz`.
        parse: takes one object; raises `Fault`.

    Raises:
        DataError: the file cannot be read or holds nothing, or lines have faults.
    """
    [found] = read_files([path], lambda line: parse(line.fields))
    return found


def read_files(paths: Sequence[Path], parse: Callable[[Line], T]) -> list[list[T]]:
    """As `read_jsonl` for several files, whose faults are reported together."""
    faults: list[str] = []
    found = [_read(path, parse, faults) for path in paths]
    if faults:
        raise DataError(format_faults(faults))
    for path, rows in zip(paths, found, strict=True):
        if not rows:
            raise DataError(f"{path} holds no rows; write one JSON object a line")
    return found


def _read(path: Path, parse: Callable[[Line], T], faults: list[str]) -> list[T]:
    found: list[T] = []
    for number, line in _lines(path):
        try:
            found.append(parse(Line(path, number, _object(line))))
        except Fault as fault:
            faults.append(f"{path}:{number}: {fault}")
    return found


def read_log(path: Path, parse: Callable[[dict[str, Any]], T]) -> tuple[list[T], int]:
    """As `read_jsonl`, for a log that a program may be writing: skips truncated lines, and also
    returns their number.

    Raises:
        DataError: the file cannot be read, or no line of it is valid.
    """
    found: list[T] = []
    passed_over = 0
    for _, line in _lines(path):
        try:
            found.append(parse(_object(line)))
        except Fault:
            passed_over += 1
    if not found:
        raise DataError(
            f"{path} holds no decisions ({passed_over:,} lines are something else); name the file "
            "that observability.decision_log.path names"
        )
    return found, passed_over


def string(value: Any, name: str) -> str:
    """Returns the value if it is text that can be encoded as UTF-8.

    Raises:
        Fault: it cannot, or is no text.
    """
    if not isinstance(value, str):
        raise Fault(f"{name} is {shorten(value)}; it must be text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Fault(
            f"{name} holds half a character ({value[error.start]!a}, its {error.start + 1}.); "
            "remove it"
        ) from error
    return value


def format_faults(faults: Sequence[str]) -> str:
    """Faults as lines; only the first ones if there are many, with the number of the others."""
    more = len(faults) - _MOST_FAULTS
    rest = [f"and {more:,} more"] if more > 0 else []
    return "\n".join([*faults[:_MOST_FAULTS], *rest])


def shorten(value: Any) -> str:
    """A value, shortened for an error message."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.removeprefix(codecs.BOM_UTF8)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path} cannot be read: {reason}; name a readable file") from error


def _opened(path: Path) -> IO[bytes]:
    # `gzip.open` returns a binary file like any other
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]  # the stubs give it a class of its own


def _object(line: bytes) -> dict[str, Any]:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise Fault(
            f"not UTF-8 (byte 0x{line[error.start]:02x} at {error.start + 1}); save the file as "
            "UTF-8 text"
        ) from error
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Fault(f"not JSON: {shorten(text.strip())}; write one JSON object a line") from error
    if not isinstance(value, dict):
        raise Fault(f"not an object: {shorten(value)}; write one JSON object a line")
    return value
