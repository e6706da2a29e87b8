"""Generates table rows on which a query and similar queries return different results.

The data sets have no table contents, so rows are made for the query: some rows meet all its
conditions, some fail exactly one, and there are values at, below and above each literal. So
another column, value, operator or aggregate changes the result. No cell is NULL unless the query
looks for NULL in its column, so that the count of any column is the same.
"""

import random
from collections.abc import Sequence
from itertools import chain, cycle, islice

from router.grading.conditions import Cell, conditions_of, folded, matched_columns

_ROWS = 60
_FULFIL_ALL = 4
_BY_CHANCE = 8
_VALUES = 999
_REPEATED_VALUES = 40


def rows_for(columns: Sequence[str], query: str, rng: random.Random) -> list[list[Cell]]:
    """Rows for a table of these columns, in random order.

    Args:
        columns: the table's columns.
        query: its conditions on single columns determine the rows.
        rng: draws the rest.
    """
    names = [folded(column) for column in columns]
    conditions = conditions_of(query, names)
    matched = matched_columns(query)
    most = {name: _REPEATED_VALUES if name in matched else _VALUES for name in names}
    rows = []
    for plan in _plans(len(conditions), rng):
        row: dict[str, Cell] = {name: rng.randint(1, most[name]) for name in names}
        for (name, draw), holds in zip(conditions, plan, strict=True):
            row[name] = draw(holds, rng)
        rows.append([row[name] for name in names])
    rng.shuffle(rows)
    return rows


def permitted(
    row: Sequence[Cell], columns: Sequence[str], schema: str, rng: random.Random
) -> list[Cell]:
    """A row with other values where the schema of its table has conditions, such as a CHECK."""
    names = [folded(column) for column in columns]
    cells = dict(zip(names, row, strict=True))
    cells |= {name: draw(True, rng) for name, draw in conditions_of(schema, names)}
    return [cells[name] for name in names]


def _plans(conditions: int, rng: random.Random) -> list[list[bool]]:
    """For each row, which of the conditions it meets.

    Few rows meet all conditions, so that the rows added by dropping or weakening a condition
    outnumber them, and change a maximum or minimum.
    """
    all_of_them = [[True] * conditions] * (_FULFIL_ALL if conditions else _ROWS)
    by_chance = [[rng.random() < 0.5 for _ in range(conditions)] for _ in range(_BY_CHANCE)]
    all_but_one = [[other != one for other in range(conditions)] for one in range(conditions)]
    return list(islice(chain(all_of_them, by_chance, cycle(all_but_one)), _ROWS))
