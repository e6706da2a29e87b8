"""An SQLite file that all gateways of a machine share.

Write-ahead logging lets readers go on while one writes; a writer waits for another at most
`_BUSY_SECONDS`. What is deleted is overwritten.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gateway.errors import StoreError

_BUSY_SECONDS = 5.0
_RETRY_SECONDS = 0.01

Steps = Mapping[int, Sequence[str]]
"""Statements that lead from a layout to the next one, for each that can be read."""
_NO_STEPS: Steps = MappingProxyType({})

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
REMEDY = "restore its backup under another name and name that, or name a new file to begin anew"


class SqliteFile:
    """A base of stores. Callers use it from one thread at a time.

    Args:
        path: the file, created if there is none; `:memory:` keeps nothing.
        tables: statements that make the tables where they are not there yet.
        layout: raised when the tables change.
        steps: from earlier layouts to this one.

    Raises:
        StoreError: it cannot be opened, or has a layout that this version does not know.
    """

    def __init__(self, path: str, tables: str, layout: int, steps: Steps = _NO_STEPS) -> None:
        self._path = path
        place = path if path == ":memory:" else _made(Path(path).expanduser())
        with self._translated():
            self._db = sqlite3.connect(
                place,
                timeout=_BUSY_SECONDS,
                isolation_level=None,  # transactions begin where they are written
                check_same_thread=False,
            )
            self._write_ahead()
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA secure_delete = ON")  # texts that are forgotten are gone
            self._prepare(tables, layout, steps)

    def close(self) -> None:
        """Closes the file."""
        with self._translated():
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

    def _prepare(self, tables: str, layout: int, steps: Steps) -> None:
        if self._layout() in steps:
            with self._writing():  # another gateway may be at it
                for number in range(self._layout(), layout):
                    for statement in steps[number]:
                        self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {layout}")
        found = self._layout()
        if found not in (0, layout):
            raise StoreError(
                f"{self._path!r} has layout {found}, and this version knows {layout}; "
                "name another file, or move this one away"
            )
        self._db.executescript(tables)
        self._db.execute(f"PRAGMA user_version = {layout}")

    def _layout(self) -> int:
        [(found,)] = self._db.execute("PRAGMA user_version").fetchall()
        return int(found)

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with self._translated():
            return self._db.execute(query, values).fetchall()

    def _run(self, statement: str, *values: Any) -> bool:
        """Runs a statement; whether it touched a row."""
        with self._translated():
            return self._db.execute(statement, values).rowcount > 0

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction that holds the right to write from its start."""
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            damaged = getattr(error, "sqlite_errorcode", None) in _DAMAGED
            remedy = f"; {REMEDY}" if damaged else ""
            raise StoreError(f"the store {self._path!r} cannot be used: {error}{remedy}") from error


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
