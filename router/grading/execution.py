"""Grades an SQL query by its result: it and the right query run in sqlite, on generated rows.

The rows of a few tables are drawn with a seed from the right query (`router.grading.tables`). The
test is one-sided: different queries may return the same rows by chance.

Rule: an answer is untrusted input. It may read the tables with common functions; a query that
writes, accesses anything else, runs too long or returns too much is stopped and wrong.
"""

import hashlib
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

from router.grading.conditions import Cell, folded
from router.grading.counts import Counts, Reference, passed
from router.grading.ordering import order_by, tie_groups
from router.grading.tables import permitted, rows_for

_TABLES = 5
_STEPS = 200_000
"""Virtual-machine steps after which a query is stopped; these tables need a few thousand."""
_SECONDS = 5.0
"""Seconds after which a query is stopped, for functions that run long in a single step."""
_LOOK_EVERY_STEPS = 1000

_HEAP_BYTES = 32 * 2**20
"""Of all sqlite in this process, and for good. Stops what is slow to compile, before its first
step: tables and columns that each name the one before twice take memory as they take time."""

_LIMITS = {
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 20_000,
    sqlite3.SQLITE_LIMIT_LENGTH: 10_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
}
_READING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
# Without functions that make large values of small ones, such as `zeroblob` and `printf`.
_FUNCTIONS = frozenset(
    [
        "abs",
        "avg",
        "ceil",
        "ceiling",
        "coalesce",
        "concat",
        "count",
        "date",
        "datetime",
        "dense_rank",
        "first_value",
        "floor",
        "glob",
        "group_concat",
        "ifnull",
        "iif",
        "instr",
        "julianday",
        "lag",
        "last_value",
        "lead",
        "length",
        "like",
        "lower",
        "ltrim",
        "max",
        "min",
        "mod",
        "ntile",
        "nullif",
        "pow",
        "power",
        "rank",
        "replace",
        "round",
        "row_number",
        "rtrim",
        "sign",
        "sqrt",
        "strftime",
        "string_agg",
        "substr",
        "substring",
        "sum",
        "time",
        "total",
        "trim",
        "typeof",
        "upper",
    ]
)

_Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Result:
    """The rows of a query, normalised for comparison, and the number of their columns."""

    columns: int
    rows: list[_Row]

    @property
    def blank(self) -> bool:
        """Whether it is what most queries return that find nothing."""
        return not self.rows or (len(self.rows) == 1 and not any(self.rows[0]))


def table_schema(columns: Sequence[str], table: str = "t") -> str:
    """`CREATE TABLE` for columns of unknown type: numbers compare as numbers, text without case."""
    distinct = {folded(column): column for column in columns}.values()
    quoted = ('"' + column.replace('"', '""') + '"' for column in distinct)
    return (
        f"CREATE TABLE {table} ({', '.join(f'{name} NUMERIC COLLATE NOCASE' for name in quoted)})"
    )


def sql_execution(answer: str, reference: Reference) -> Counts:
    """Right if the answer returns the reference's rows on every generated table; their order
    counts as far as the reference's ORDER BY determines it.

    Raises:
        ValueError: the reference has no valid schema, its own query does not run, or it finds
            nothing in any table, so that it does not tell answers apart.
    """
    if not reference.schema:
        raise ValueError("execution needs the table's schema beside the right query")
    seed = hashlib.sha256(f"{reference.schema}\0{reference.answer}".encode()).digest()
    rng = random.Random(seed)
    blank = True
    for _ in range(_TABLES):
        with _database(reference, rng) as database:
            expected = _run(database, reference.answer)
            if expected is None:
                raise ValueError(f"the reference does not run: {reference.answer}")
            # One row more than expected is enough to see a difference.
            answered = _run(database, answer, len(expected.rows) + 1)
            if not _agree(answered, expected, _groups(database, reference.answer, expected)):
                return passed(False)
        blank &= expected.blank
    if blank:
        raise ValueError(
            "the reference finds nothing in the generated tables, so it would accept other queries "
            f"that find nothing; use another grader, or other conditions: {reference.answer}"
        )
    return passed(True)


def _database(reference: Reference, rng: random.Random) -> "closing[sqlite3.Connection]":
    database = sqlite3.connect(":memory:")
    # sqlite's own NOCASE handles only ASCII.
    database.create_collation("NOCASE", _without_case)
    database.execute(f"PRAGMA hard_heap_limit = {_HEAP_BYTES}")
    try:
        database.executescript(reference.schema)
        _fill(database, reference.answer, rng)
    except sqlite3.Error as error:
        database.close()
        raise ValueError(f"the schema makes no tables ({error}): {reference.schema}") from error
    for limit, value in _LIMITS.items():
        database.setlimit(limit, value)
    database.set_authorizer(_authorized)
    return closing(database)


def _fill(database: sqlite3.Connection, query: str, rng: random.Random) -> None:
    tables = "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
    for table, schema in database.execute(tables).fetchall():
        quoted = '"' + table.replace('"', '""') + '"'
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({quoted})")]
        marks = ", ".join("?" * len(columns))
        insert = f"INSERT INTO {quoted} VALUES ({marks})"
        for row in rows_for(columns, query, rng):
            if not _inserted(database, insert, row):
                # It stays out if it still violates a constraint, such as a key.
                _inserted(database, insert, permitted(row, columns, schema, rng))


def _inserted(database: sqlite3.Connection, insert: str, row: Sequence[Cell]) -> bool:
    try:
        database.execute(insert, row)
    except sqlite3.IntegrityError:
        return False
    return True


def _without_case(left: str, right: str) -> int:
    left, right = left.lower(), right.lower()
    return (left > right) - (left < right)


def _authorized(action: int, _: str | None, function: str | None, *__: str | None) -> int:
    allowed_function = action == sqlite3.SQLITE_FUNCTION and (function or "").lower() in _FUNCTIONS
    return sqlite3.SQLITE_OK if allowed_function or action in _READING else sqlite3.SQLITE_DENY


def _run(database: sqlite3.Connection, query: str, most: int | None = None) -> _Result | None:
    """The result of a query, with its first `most` rows; None if it fails."""
    database.set_progress_handler(_Budget().spent, _LOOK_EVERY_STEPS)
    try:
        cursor = database.execute(query.strip())
        if cursor.description is None:  # an empty text, or a comment
            return None
        rows = cursor.fetchall() if most is None else cursor.fetchmany(most)
    except (sqlite3.Error, sqlite3.Warning, MemoryError, ValueError, UnicodeError):
        return None  # ValueError: a NUL; UnicodeError: half of a surrogate pair
    return _Result(len(cursor.description), [tuple(map(_value, row)) for row in rows])


class _Budget:
    """The limits of one query, in steps and seconds."""

    def __init__(self) -> None:
        self._looks = _STEPS // _LOOK_EVERY_STEPS
        self._until = time.monotonic() + _SECONDS

    def spent(self) -> bool:
        """The progress handler of sqlite; true stops the query."""
        self._looks -= 1
        return self._looks <= 0 or time.monotonic() > self._until


def _value(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    return value.lower() if isinstance(value, str) else value


def _groups(
    database: sqlite3.Connection, query: str, expected: _Result
) -> list[tuple[int, Counter[_Row]]]:
    """The right rows in sequence: so many of these, in any order, then of the next."""
    order = order_by(query)
    if order is None:
        return [(len(expected.rows), Counter(expected.rows))]
    ascending, descending = (order.tie_broken(expected.columns, way) for way in ("ASC", "DESC"))
    low, high, cut = (_run(database, of) for of in (ascending, descending, ascending + order.tail))
    start = None if low is None or cut is None else _place(cut.rows, low.rows)
    if low is None or high is None or start is None:
        return [(1, Counter([row])) for row in expected.rows]
    # A LIMIT leaves a part of the rows, and maybe of the first and last group.
    stop = start + len(expected.rows)
    groups = [(of, Counter(low.rows[of])) for of in tie_groups(low.rows, high.rows)]
    return [(max(0, min(of.stop, stop) - max(of.start, start)), rows) for of, rows in groups]


def _place(part: list[_Row], rows: list[_Row]) -> int | None:
    """Where some rows stand in all rows."""
    starts = range(len(rows) - len(part) + 1)
    return next((start for start in starts if rows[start : start + len(part)] == part), None)


def _agree(
    answered: _Result | None, expected: _Result, groups: list[tuple[int, Counter[_Row]]]
) -> bool:
    if answered is None or answered.columns != expected.columns:
        return False
    if len(answered.rows) != len(expected.rows):
        return False
    rows = iter(answered.rows)
    return all(Counter(islice(rows, size)) <= allowed for size, allowed in groups)
