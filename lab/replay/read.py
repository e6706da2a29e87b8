"""Recorded outcomes from a file: JSON Lines or CSV, either gzipped or not.

A line of JSON, with what each model scored in [0, 1] and what its answer cost:

    {"prompt": "Why is the sky blue?", "group": "physics",
     "scores": {"small": 0, "large": 1}, "costs": {"small": 0.0002, "large": 0.009}}

The same as CSV, whose first line names the columns:

    prompt,group,score:small,score:large,cost:small,cost:large
    Why is the sky blue?,physics,0,1,0.0002,0.009

`group` (the domain) and `cluster` (rows that must stay together; by default those of the same
wording) may be left out, and `costs` where a price per answer is given. Other keys are passed over.
"""

import csv
import gzip
import io
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.statistics.jsonl import Fault, read_jsonl, shown, string
from router.errors import DataError

_SCORE, _COST = "score:", "cost:"
_SHOWN_FAULTS = 10


@dataclass(frozen=True, slots=True)
class RecordedRow:
    """See `lab.replay.outcomes.Recorded`."""

    prompt: str
    scores: Mapping[str, float]
    costs: Mapping[str, float]
    group: str | None = None
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is to be read.

    Attributes:
        group_key: the key, or the column, of the domain.
        prices: what an answer costs, by model; these win over the file's own costs.
    """

    group_key: str = "group"
    prices: Mapping[str, float] = field(default_factory=dict)


def read_outcomes(path: Path, layout: Layout | None = None) -> list[RecordedRow]:
    """The rows of a file; its name says how it is written: `.csv`, else JSON Lines.

    Args:
        path: the file; read through gzip where its name ends in `.gz`.
        layout: how to read it.

    Raises:
        DataError: the file cannot be read or holds nothing, or lines have faults.
    """
    given = layout or Layout()
    if path.name.removesuffix(".gz").endswith(".csv"):
        return _read_csv(path, given)
    return read_jsonl(path, lambda value: _row(value, given))


def _read_csv(path: Path, layout: Layout) -> list[RecordedRow]:
    reader = csv.DictReader(io.StringIO(_text(path), newline=""))
    found: list[RecordedRow] = []
    faults: list[str] = []
    try:
        for line in reader:
            try:
                found.append(_row(_nested(line), layout))
            except Fault as fault:
                faults.append(f"{path}:{reader.line_num}: {fault}")
    except csv.Error as error:  # such as a prompt longer than its reader allows
        faults.append(f"{path}:{reader.line_num + 1}: {error}; write such a file as JSON Lines")
    if faults:
        raise DataError("\n".join(faults[:_SHOWN_FAULTS]))
    if not found:
        raise DataError(f"{path} holds no rows; write a line of column names and one per prompt")
    return found


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path} cannot be read: {reason}; name a file of UTF-8 text") from error


def _nested(line: Mapping[str | None, Any]) -> dict[str, Any]:
    """A line of CSV as the object that stands for it in JSON; empty cells are absent."""
    if None in line or None in line.values():
        raise Fault("has more or fewer cells than the first line has names")
    row: dict[str, Any] = {"scores": {}, "costs": {}}
    for column, cell in line.items():
        name = column or ""
        if not cell:
            continue
        if name.startswith(_SCORE):
            row["scores"][name.removeprefix(_SCORE)] = _parsed(cell, name)
        elif name.startswith(_COST):
            row["costs"][name.removeprefix(_COST)] = _parsed(cell, name)
        else:
            row[name] = cell
    return row


def _parsed(cell: str, name: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise Fault(f"{name} is {shown(cell)}; it must be a number") from None


def _row(value: Mapping[str, Any], layout: Layout) -> RecordedRow:
    scores = _numbers(value.get("scores"), "scores", most=1)
    costs = _numbers(value.get("costs", {}), "costs", most=math.inf)
    costs |= {name: price for name, price in layout.prices.items() if name in scores}
    without = [name for name in scores if name not in costs]
    if without:
        raise Fault(f"has no cost of {without[0]!r}; write it into costs, or give --price")
    return RecordedRow(
        prompt=string(value.get("prompt"), "prompt"),
        scores=scores,
        costs={name: costs[name] for name in scores},
        group=_optional(value, layout.group_key),
        cluster=_optional(value, "cluster"),
    )


def _numbers(value: Any, name: str, most: float) -> dict[str, float]:
    if not isinstance(value, dict) or (name == "scores" and not value):
        raise Fault(f"{name} is {shown(value)}; it must name each model with a number")
    for model, number in value.items():
        # true and false are 1 and 0, as graders write them
        if not isinstance(number, int | float) or not 0 <= number <= most or math.isinf(number):
            allowed = "from 0 to 1" if most == 1 else "of at least 0"
            raise Fault(f"{name}.{model} is {shown(number)}; it must be a number {allowed}")
    return {model: float(number) for model, number in value.items()}


def _optional(value: Mapping[str, Any], key: str) -> str | None:
    found = value.get(key)
    return None if found is None else string(found, key)
