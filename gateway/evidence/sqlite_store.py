"""The embedded store: one SQLite file, shared by all gateways of a machine.

The file outlives the gateways, and holds texts only where `store_texts` is set.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from gateway.config import ConfigError
from gateway.errors import StoreError
from gateway.evidence.store import (
    AnsweredRequest,
    AnswerFeedback,
    AnswerPair,
    Change,
    DailyUsage,
    GraderShare,
    Noted,
    Taken,
)
from gateway.sqlite_file import REMEDY, Schema, SqliteFile, check_file
from router.selection.record import SpecialistRecord, Transition

_Value = TypeVar("_Value")

_STEPS = {1: ("ALTER TABLE answer ADD COLUMN caller TEXT NOT NULL DEFAULT ''",)}
"""From each earlier layout to the next. Nobody knows to whom answers of layout 1 were given: where
requests need keys, only operators may grade these."""

_TABLES = """
CREATE TABLE IF NOT EXISTS standing (specialist TEXT PRIMARY KEY, value BLOB) STRICT;
CREATE TABLE IF NOT EXISTS transition
    (number INTEGER PRIMARY KEY, specialist TEXT, value BLOB) STRICT;
CREATE INDEX IF NOT EXISTS transition_of ON transition (specialist, number);
CREATE TABLE IF NOT EXISTS answer
    (request_id TEXT PRIMARY KEY, model TEXT, time REAL, caller TEXT NOT NULL DEFAULT '') STRICT;
CREATE INDEX IF NOT EXISTS answer_time ON answer (time);
CREATE TABLE IF NOT EXISTS pair
    (request_id TEXT, specialist TEXT, time REAL, value BLOB, PRIMARY KEY (request_id, specialist))
    STRICT;
CREATE TABLE IF NOT EXISTS comparing
    (request_id TEXT, specialist TEXT, time REAL, PRIMARY KEY (request_id, specialist)) STRICT;
CREATE TABLE IF NOT EXISTS note
    (request_id TEXT, model TEXT, time REAL, value BLOB, PRIMARY KEY (request_id, model)) STRICT;
CREATE TABLE IF NOT EXISTS graded
    (day TEXT, grader TEXT, specialist TEXT, pairs INTEGER, PRIMARY KEY (day, grader, specialist))
    STRICT;
CREATE TABLE IF NOT EXISTS spent (day TEXT PRIMARY KEY, tokens INTEGER, cost REAL) STRICT;
"""

_SCHEMA = Schema(_TABLES, 2, _STEPS)


class SqliteStore(SqliteFile):
    """See `Store`. Callers use it from one thread at a time.

    Args:
        path: the file; `:memory:` keeps nothing.

    Raises:
        StoreError: it cannot be opened, or was written by another version.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, _SCHEMA)

    def standings(self) -> Mapping[str, SpecialistRecord]:
        """See `Store`."""
        found = self._rows("SELECT specialist, value FROM standing")
        return {name: _decoded(value, SpecialistRecord) for name, value in found}

    def change(self, specialist: str, change: Change) -> tuple[SpecialistRecord, Transition | None]:
        """See `Store`."""
        with self._writing():
            found = self._rows("SELECT value FROM standing WHERE specialist = ?", specialist)
            before = _decoded(found[0][0], SpecialistRecord) if found else None
            after, transition = change(before)
            self._run("REPLACE INTO standing VALUES (?, ?)", specialist, _encoded(after))
            if transition is not None:
                self._run(
                    "INSERT INTO transition (specialist, value) VALUES (?, ?)",
                    specialist,
                    _encoded(transition),
                )
        return after, transition

    def transitions(self, specialist: str, limit: int) -> Sequence[Transition]:
        """See `Store`."""
        found = self._rows(
            "SELECT value FROM transition WHERE specialist = ? ORDER BY number DESC LIMIT ?",
            specialist,
            limit,
        )
        return [_decoded(value, Transition) for (value,) in found]

    def remember(self, answers: Sequence[AnsweredRequest]) -> None:
        """See `Store`."""
        with self._writing():
            self._db.executemany(
                "INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?)",
                [(of.request_id, of.model, of.time, of.caller) for of in answers],
            )

    def model_of(self, request_id: str, caller: str | None) -> str | None:
        """See `Store`."""
        found = self._rows(
            "SELECT model FROM answer WHERE request_id = ?1 AND (?2 IS NULL OR caller = ?2)",
            request_id,
            caller,
        )
        return found[0][0] if found else None

    def claim(self, request_id: str, specialist: str, time: float) -> bool:
        """See `Store`."""
        of = request_id, specialist, time
        with self._writing():
            claimed = self._run("INSERT OR IGNORE INTO pair VALUES (?, ?, ?, NULL)", *of)
            if claimed:
                self._run("INSERT INTO comparing VALUES (?, ?, ?)", *of)
        return claimed

    def release(self, request_id: str, specialist: str) -> None:
        """See `Store`."""
        self._run(
            "DELETE FROM comparing WHERE request_id = ? AND specialist = ?", request_id, specialist
        )

    def keep(self, compared: AnswerPair) -> None:
        """See `Store`."""
        request_id, specialist = compared.request_id, compared.specialist.model
        with self._writing():
            self._run(
                "UPDATE pair SET value = ? WHERE request_id = ? AND specialist = ?",
                _encoded(compared),
                request_id,
                specialist,
            )
            self.release(request_id, specialist)

    def waiting(self, request_id: str) -> Sequence[AnswerPair]:
        """See `Store`."""
        found = self._rows(
            "SELECT value FROM pair WHERE request_id = ? AND value IS NOT NULL", request_id
        )
        return [_decoded(value, AnswerPair) for (value,) in found]

    def waiting_count(self) -> Mapping[str, int]:
        """See `Store`."""
        return dict(
            self._rows(
                "SELECT specialist, count(*) FROM pair WHERE value IS NOT NULL GROUP BY specialist"
            )
        )

    def take(self, compared: AnswerPair, share: GraderShare | None) -> Taken:
        """See `Store`."""
        request_id, specialist = compared.request_id, compared.specialist.model
        with self._writing():
            if share is not None and self.graded(specialist, share) >= share.max_pairs:
                return "over_share"
            taken = self._run(
                "UPDATE pair SET value = NULL"
                " WHERE request_id = ? AND specialist = ? AND value IS NOT NULL",
                request_id,
                specialist,
            )
            if taken and share is not None:
                self._run(
                    "INSERT INTO graded VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE"
                    " SET pairs = pairs + 1",
                    share.day,
                    share.grader,
                    specialist,
                )
            # The row stays, so that feedback that comes again is known to be settled.
            self._run(
                "UPDATE note SET value = NULL WHERE request_id = ?1 AND NOT EXISTS"
                " (SELECT 1 FROM pair WHERE request_id = ?1 AND value IS NOT NULL)"
                " AND NOT EXISTS (SELECT 1 FROM comparing WHERE request_id = ?1)",
                request_id,
            )
        return "taken" if taken else "gone"

    def graded(self, specialist: str, share: GraderShare) -> int:
        """See `Store`."""
        found = self._rows(
            "SELECT pairs FROM graded WHERE day = ? AND grader = ? AND specialist = ?",
            share.day,
            share.grader,
            specialist,
        )
        return found[0][0] if found else 0

    def note(self, request_id: str, model: str, note: AnswerFeedback, time: float) -> Noted:
        """See `Store`."""
        with self._writing():
            value = _encoded(note)
            statement = "INSERT OR IGNORE INTO note VALUES (?, ?, ?, ?)"
            if self._run(statement, request_id, model, time, value):
                return "new"
            replaced = self._run(
                "UPDATE note SET time = ?, value = ?"
                " WHERE request_id = ? AND model = ? AND value IS NOT NULL",
                time,
                value,
                request_id,
                model,
            )
        return "replaced" if replaced else "settled"

    def notes(self, request_id: str) -> Mapping[str, AnswerFeedback]:
        """See `Store`."""
        found = self._rows(
            "SELECT model, value FROM note WHERE request_id = ? AND value IS NOT NULL", request_id
        )
        return {model: _decoded(value, AnswerFeedback) for model, value in found}

    def spend(self, day: str, tokens: int, cost: float) -> None:
        """See `Store`."""
        self._run(
            "INSERT INTO spent VALUES (?, ?, ?) ON CONFLICT (day) DO UPDATE"
            " SET tokens = tokens + excluded.tokens, cost = cost + excluded.cost",
            day,
            tokens,
            cost,
        )

    def spent(self, day: str) -> DailyUsage:
        """See `Store`."""
        found = self._rows("SELECT tokens, cost FROM spent WHERE day = ?", day)
        return DailyUsage(*found[0]) if found else DailyUsage()

    def forget(self, before: float) -> None:
        """See `Store`."""
        with self._writing():
            for table in ("answer", "pair", "comparing", "note"):
                self._run(f"DELETE FROM {table} WHERE time < ?", before)
            self._run("DELETE FROM graded WHERE day < date(?, 'unixepoch')", before)


def opened(path: str) -> SqliteStore:
    """The store at a path of the configuration.

    Raises:
        ConfigError: it cannot be used.
    """
    with _in_the_configuration():
        return SqliteStore(path)


def check(path: str) -> None:
    """Checks the store that is there at a path of the configuration. Changes nothing.

    Raises:
        ConfigError: it cannot be used.
    """
    with _in_the_configuration():
        check_file(path, _SCHEMA)


@contextmanager
def _in_the_configuration() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise ConfigError(f"gateway.shadow.path: {error}") from error


def _encoded(value: object) -> bytes:
    return msgspec.json.encode(value)


def _decoded(data: bytes, kind: type[_Value]) -> _Value:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise StoreError(
            f"the store holds what this version cannot read: {error}; {REMEDY}"
        ) from error
