"""Generates table rows on which a query and similar queries return different results.

The data sets have no table contents, so rows are made for the query: some rows meet all its
conditions, some fail exactly one, and there are values at, below and above each literal. So
another column, value, operator or aggregate changes the result. No cell is NULL, so that the count
of any column is the same.
"""

import random
import re
from collections.abc import Sequence
from itertools import chain, cycle, islice

_ROWS = 60
_FULFIL_ALL = 4
_BY_CHANCE = 8

_CONDITION = re.compile(
    r"""(?:"((?:[^"]|"")*)"|`([^`]*)`|\[([^\]]*)\]|\b([^\W\d]\w*))"""  # a column
    r"\s*(=|!=|<>|<=|>=|<|>)\s*"
    r"(?:'((?:[^']|'')*)'|(-?\d+(?:\.\d+)?))"  # a text or a number
)
# Texts that sqlite reads as a number; Python's float accepts more, such as `nan` and `1_000`.
_NUMBER = re.compile(
    r"[ \t\n\v\f\r]*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?[ \t\n\v\f\r]*", re.ASCII | re.IGNORECASE
)

_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}

_Condition = tuple[str, str, str]
Cell = str | float


def folded(name: str) -> str:
    """A column's name as sqlite compares it: ignoring the case of ASCII letters only."""
    return name.translate(_ASCII_LOWER)


def rows_for(columns: Sequence[str], query: str, rng: random.Random) -> list[list[Cell]]:
    """Rows for a table of these columns, in random order.

    Args:
        columns: the table's columns.
        query: its comparisons of a column with a literal determine the rows.
        rng: draws the rest.
    """
    names = [folded(column) for column in columns]
    conditions = [condition for condition in _conditions(query) if condition[0] in names]
    rows = []
    for plan in _plans(len(conditions), rng):
        row: dict[str, Cell] = {name: rng.randint(1, 999) for name in names}
        for (name, sign, value), holds in zip(conditions, plan, strict=True):
            row[name] = _drawn(sign, value, holds, rng)
        rows.append([row[name] for name in names])
    rng.shuffle(rows)
    return rows


def _conditions(query: str) -> list[_Condition]:
    """(folded column, operator, literal) of each comparison with a literal."""
    conditions = []
    for *column, sign, text, bare in _CONDITION.findall(query):
        name = folded("".join(column).replace('""', '"'))
        conditions.append((name, sign, bare or text.replace("''", "'")))
    return conditions


def _plans(conditions: int, rng: random.Random) -> list[list[bool]]:
    """For each row, which of the conditions it meets.

    Few rows meet all conditions, so that the rows added by dropping or weakening a condition
    outnumber them, and change a maximum or minimum.
    """
    all_of_them = [[True] * conditions] * (_FULFIL_ALL if conditions else _ROWS)
    by_chance = [[rng.random() < 0.5 for _ in range(conditions)] for _ in range(_BY_CHANCE)]
    all_but_one = [[other != one for other in range(conditions)] for one in range(conditions)]
    return list(islice(chain(all_of_them, by_chance, cycle(all_but_one)), _ROWS))


def _drawn(sign: str, value: str, holds: bool, rng: random.Random) -> Cell:
    """A value for which `column sign value` is true, or false."""
    if sign in ("!=", "<>"):
        sign, holds = "=", not holds
    below, above = _neighbours(value, rng)
    fitting: dict[str, tuple[tuple[Cell, ...], tuple[Cell, ...]]] = {
        "=": ((value,), (below, above)),
        "<": ((below,), (value, above)),
        ">": ((above,), (value, below)),
        "<=": ((below, value), (above,)),
        ">=": ((above, value), (below,)),
    }
    return rng.choice(fitting[sign][0 if holds else 1])


def _neighbours(value: str, rng: random.Random) -> tuple[Cell, Cell]:
    """A smaller and a larger value in sqlite's order, where numbers sort before texts."""
    if not _NUMBER.fullmatch(value):
        return value[:-1] if value else 0, value + rng.choice(" a")
    number = float(value)
    step = max(1.0, abs(number) / 1e6)  # a step of 1 would vanish beside a large number
    below, above = (step * rng.choice((0.001, 1, 2, 3)) for _ in range(2))
    return number - below, number + above
