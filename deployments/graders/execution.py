"""Does a query return the same rows? Both run in sqlite, over rows made for the right one.

No table contents are at hand, so they are generated: a few tables per query, drawn from a seed of
the query itself. Among their rows are some that fulfil every condition, some that fail exactly
one, and values at, below and above each compared one, so that another column, value, operator or
aggregate shows in the result. The test is one-sided: queries that differ may agree by chance.
"""

import hashlib
import random
import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from deployments.graders.counts import Counts, Reference, passed

__all__ = ["sql_execution", "table_schema"]

_TABLES = 3
_ROWS = 60
_STEPS = 200_000
"""Virtual-machine steps after which a query is given up: these tables need a few thousand."""

_CONDITION = re.compile(
    r"\"((?:[^\"]|\"\")*)\"\s*(=|!=|<>|<=|>=|<|>)\s*(?:'((?:[^']|'')*)'|(-?\d+(?:\.\d+)?))"
)


def table_schema(columns: Sequence[str], table: str = "t") -> str:
    """`CREATE TABLE` for columns of unknown type: numbers compare as numbers, text without case."""
    # sqlite holds names that differ in letter case alone to be the same.
    distinct = {column.lower(): column for column in columns}.values()
    quoted = ('"' + column.replace('"', '""') + '"' for column in distinct)
    return (
        f"CREATE TABLE {table} ({', '.join(f'{name} NUMERIC COLLATE NOCASE' for name in quoted)})"
    )


def sql_execution(answer: str, reference: Reference) -> Counts:
    """Right if the answer returns the reference's rows on every generated table.

    Raises:
        ValueError: the reference has no schema, or its own query does not run: nothing can be
            graded by it.
    """
    if not reference.schema:
        raise ValueError("execution needs the table's schema beside the right query")
    seed = hashlib.sha256(f"{reference.schema}\0{reference.answer}".encode()).digest()
    rng = random.Random(seed)
    for _ in range(_TABLES):
        with _database(reference, rng) as database:
            wanted = _run(database, reference.answer)
            found = _run(database, answer)
        if wanted is None:
            raise ValueError(f"the reference does not run: {reference.answer}")
        if found != wanted:
            return passed(False)
    return passed(True)


def _database(reference: Reference, rng: random.Random) -> "closing[sqlite3.Connection]":
    database = sqlite3.connect(":memory:")
    # sqlite's own NOCASE knows ASCII alone.
    database.create_collation("NOCASE", _without_case)
    database.executescript(reference.schema)
    conditions = _conditions(reference.answer)
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        quoted = '"' + table.replace('"', '""') + '"'
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({quoted})")]
        marks = ", ".join("?" * len(columns))
        rows = _rows([column.lower() for column in columns], conditions, rng)
        database.executemany(f"INSERT INTO {quoted} VALUES ({marks})", rows)
    _restrict(database)
    return closing(database)


def _without_case(left: str, right: str) -> int:
    left, right = left.lower(), right.lower()
    return (left > right) - (left < right)


def _restrict(database: sqlite3.Connection) -> None:
    """Lets an answer read, and nothing else, for a bounded time and size."""
    reading = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION)
    database.set_authorizer(
        lambda action, *_: sqlite3.SQLITE_OK if action in reading else sqlite3.SQLITE_DENY
    )
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)
    database.set_progress_handler(lambda: 1, _STEPS)


def _run(database: sqlite3.Connection, query: str) -> Any:
    """What the query returns, comparable; None where it does not run."""
    try:
        rows = [tuple(map(_value, row)) for row in database.execute(query.strip())]
    except (sqlite3.Error, sqlite3.Warning, ValueError, UnicodeError):
        return None  # ValueError: a NUL; UnicodeError: half of a surrogate pair
    return rows if re.search(r"\border\s+by\b", query, re.IGNORECASE) else Counter(rows)


def _value(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    return value.lower() if isinstance(value, str) else value


_Condition = tuple[str, str, str | float]


def _conditions(query: str) -> list[_Condition]:
    """(column in lower case, operator, value) of each comparison with a literal."""
    found = []
    for column, sign, text, bare in _CONDITION.findall(query):
        value = bare or text.replace("''", "'")
        try:
            found.append((column.replace('""', '"').lower(), sign, float(value)))
        except ValueError:
            found.append((column.replace('""', '"').lower(), sign, value))
    return found


def _rows(
    columns: Sequence[str], conditions: Sequence[_Condition], rng: random.Random
) -> list[list[str | float]]:
    """Rows that fulfil all conditions, rows that fail one each, and rows by chance."""
    here = [condition for condition in conditions if condition[0] in columns]
    plans = [[True] * len(here) for _ in range(8)]
    failing = [[other != one for other in range(len(here))] for one in range(len(here))]
    plans += failing * 8
    plans += [[rng.random() < 0.5 for _ in here] for _ in range(_ROWS - len(plans))]
    rows = []
    for plan in plans:
        row: dict[str, str | float] = {column: float(rng.randint(1, 999)) for column in columns}
        for (column, sign, value), holds in zip(here, plan, strict=True):
            row[column] = _drawn(sign, value, holds, rng)
        rows.append([row[column] for column in columns])
    rng.shuffle(rows)
    return rows


def _drawn(sign: str, value: str | float, holds: bool, rng: random.Random) -> str | float:
    """A value for which `column sign value` holds, or does not."""
    if sign in ("!=", "<>"):
        sign, holds = "=", not holds
    if isinstance(value, str):
        below, above = value[:-1], f"{value}a"
    else:
        below, above = value - rng.randint(1, 3), value + rng.randint(1, 3)
    fitting = {
        "=": ((value,), (below, above)),
        "<": ((below,), (value, above)),
        ">": ((above,), (value, below)),
        "<=": ((below, value), (above,)),
        ">=": ((above, value), (below,)),
    }[sign]
    return rng.choice(fitting[0] if holds else fitting[1])
