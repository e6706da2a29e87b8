"""An SQLite file that all gateways of a machine share.

Write-ahead logging lets readers go on while one writes; a writer waits for another at most
`_BUSY_SECONDS`. What is deleted is overwritten.
"""

import os
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.errors import StoreError

IN_MEMORY = ":memory:"
"""The path of a store that keeps nothing."""

_BUSY_SECONDS = 5.0
_RETRY_SECONDS = 0.01

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
REMEDY = "restore its backup under another name and name that, or name a new file to begin anew"

_CREATED = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+)")
_FOUND = "SELECT name FROM sqlite_master WHERE type = 'table'"


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of a kind of store.

    Attributes:
        tables: statements that make the tables where they are not there yet.
        layout: raised when the tables change.
        steps: statements that lead from an earlier layout to the next one, for each that can be
            read.
    """

    tables: str
    layout: int
    steps: Mapping[int, Sequence[str]] = field(default_factory=dict)

    def require(self, database: sqlite3.Connection, path: str) -> None:
        """Requires a file of this kind, or one without tables; changes nothing.

        Raises:
            StoreError: it is another program's, or of a layout that this version does not know.
        """
        layout, own = _layout_of(database), set(_CREATED.findall(self.tables))
        found = {name for (name,) in database.execute(_FOUND) if not name.startswith("sqlite_")}
        # A gateway that is about to make its tables has some of them, and no layout yet.
        is_own = bool(found & own) if layout else found <= own
        if found and not is_own:
            raise StoreError(f"{path!r} is another program's database; name a new file")
        if layout not in (0, *self.steps, self.layout):
            raise StoreError(
                f"{path!r} has layout {layout}, and this version knows {self.layout}; "
                "name another file, or move this one away"
            )


class SqliteFile:
    """A base of stores. Callers use it from one thread at a time.

    Args:
        path: the file, created if there is none; `:memory:` keeps nothing.
        schema: its tables, which are made, or brought to its layout.

    Raises:
        StoreError: it cannot be opened, is another program's, or has a layout that this version
            does not know.
    """

    def __init__(self, path: str, schema: Schema) -> None:
        self._path = path
        place = path if path == IN_MEMORY else _made(Path(path).expanduser())
        with _translated(self._path):
            self._db = sqlite3.connect(
                place,
                timeout=_BUSY_SECONDS,
                isolation_level=None,  # transactions begin where they are written
                check_same_thread=False,
            )
            schema.require(self._db, path)  # before anything is changed
            self._write_ahead()
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA secure_delete = ON")  # texts that are forgotten are gone
            self._prepare(schema)

    def close(self) -> None:
        """Closes the file."""
        with _translated(self._path):
            self._db.close()

    def _write_ahead(self) -> None:
        """Turns write-ahead logging on, which stays on in the file.

        SQLite does not wait for its lock here: two gateways that start at once on a new file would
        refuse each other.
        """
        until = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(_RETRY_SECONDS)
            else:
                return

    def _prepare(self, schema: Schema) -> None:
        if _layout_of(self._db) in schema.steps:
            with self._writing():  # another gateway may be at it
                for number in range(_layout_of(self._db), schema.layout):
                    for statement in schema.steps[number]:
                        self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {schema.layout}")
        self._db.executescript(schema.tables)
        self._db.execute(f"PRAGMA user_version = {schema.layout}")

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with _translated(self._path):
            return self._db.execute(query, values).fetchall()

    def _run(self, statement: str, *values: Any) -> bool:
        """Runs a statement; whether it touched a row."""
        with _translated(self._path):
            return self._db.execute(statement, values).rowcount > 0

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction that holds the right to write from its start."""
        with _translated(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


def check_file(path: str, schema: Schema) -> None:
    """Checks that a file that is there can be used, as it is or brought to its layout. Changes
    nothing.

    Raises:
        StoreError: it cannot.
    """
    file = Path(path).expanduser().resolve()
    # Without a log nobody has the file open, and SQLite would make one to read it and leave it.
    log = file.with_name(f"{file.name}-wal")
    mode = "mode=ro" if log.exists() else "mode=ro&immutable=1"
    with (
        _translated(path),
        closing(sqlite3.connect(f"{file.as_uri()}?{mode}", _BUSY_SECONDS, uri=True)) as database,
    ):
        schema.require(database, path)


def _layout_of(database: sqlite3.Connection) -> int:
    """The layout of a file's tables; 0: none yet."""
    [(found,)] = database.execute("PRAGMA user_version").fetchall()
    return int(found)


@contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        damaged = getattr(error, "sqlite_errorcode", None) in _DAMAGED
        remedy = f"; {REMEDY}" if damaged else ""
        raise StoreError(f"the store {path!r} cannot be used: {error}{remedy}") from error


def _made(path: Path) -> Path:
    """The file, created readable by its owner only."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(
            f"the store {str(path)!r} cannot be written ({error.strerror}); "
            "name a file in a directory that exists and may be written"
        ) from error
    return path
