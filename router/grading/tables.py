"""Rows that tell a query from its neighbours.

No table contents are at hand, so they are made for the query: some rows fulfil all its conditions,
some fail exactly one, and there are values at, below and above each compared one. So another
column, value, operator or aggregate shows in the result. No cell is empty: whichever column is
counted, the count is the same.
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
# What sqlite takes for a number in a text; Python's float takes more, such as `nan` and `1_000`.
_NUMBER = re.compile(
    r"[ \t\n\v\f\r]*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?[ \t\n\v\f\r]*", re.ASCII | re.IGNORECASE
)

_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}

_Condition = tuple[str, str, str]
Cell = str | float


def folded(name: str) -> str:
    """A column's name as sqlite compares it: without regard to the case of ASCII letters alone."""
    return name.translate(_ASCII_LOWER)


def rows_for(columns: Sequence[str], query: str, rng: random.Random) -> list[list[Cell]]:
    """Rows for a table of these columns, in random order.

    Args:
        columns: as the table has them.
        query: its comparisons of a column with a literal decide what is in the rows.
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
    found = []
    for *column, sign, text, bare in _CONDITION.findall(query):
        name = folded("".join(column).replace('""', '"'))
        found.append((name, sign, bare or text.replace("''", "'")))
    return found


def _plans(conditions: int, rng: random.Random) -> list[list[bool]]:
    """For each row, which of the conditions it fulfils.

    Few fulfil them all, so that what one condition less, or a weaker one, lets through outweighs
    them: a largest or smallest value is then another.
    """
    all_of_them = [[True] * conditions] * (_FULFIL_ALL if conditions else _ROWS)
    by_chance = [[rng.random() < 0.5 for _ in range(conditions)] for _ in range(_BY_CHANCE)]
    all_but_one = [[other != one for other in range(conditions)] for one in range(conditions)]
    return list(islice(chain(all_of_them, by_chance, cycle(all_but_one)), _ROWS))


def _drawn(sign: str, value: str, holds: bool, rng: random.Random) -> Cell:
    """A value for which `column sign value` holds, or does not."""
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
    """Values that sort before and after, as sqlite compares them: any number before any text."""
    if not _NUMBER.fullmatch(value):
        return value[:-1] if value else 0, value + rng.choice(" a")
    number = float(value)
    step = max(1.0, abs(number) / 1e6)  # beside a large number 1 is nothing
    below, above = (step * rng.choice((0.001, 1, 2, 3)) for _ in range(2))
    return number - below, number + above
