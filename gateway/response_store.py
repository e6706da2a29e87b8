"""The store of answers that later requests refer to: one SQLite file, shared by all gateways of a
machine.

Rule: a caller sees its own answers alone and has room of its own, in which the newest stay. Whoever
has the file can read what was said.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.config import ConfigError, ResponseStoreSection
from gateway.errors import StoreError
from gateway.sqlite_file import SqliteFile

_LAYOUT = 1
"""Raised when the tables change."""

_TABLES = """
CREATE TABLE IF NOT EXISTS response
    (caller TEXT, id TEXT, time REAL, answer BLOB, items BLOB, PRIMARY KEY (caller, id)) STRICT;
CREATE INDEX IF NOT EXISTS response_time ON response (time);
CREATE INDEX IF NOT EXISTS response_of ON response (caller, time);
"""

_BEYOND_THE_ROOM = """
DELETE FROM response WHERE caller = ?1 AND id IN (
    SELECT id FROM (
        SELECT id, sum(length(answer) + length(items)) OVER newer AS bytes
        FROM response WHERE caller = ?1 WINDOW newer AS (ORDER BY time DESC, rowid DESC)
    ) WHERE bytes > ?2
)
"""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """An answer, and the conversation that it ends, both as JSON."""

    answer: bytes
    items: bytes


class ResponseStore(SqliteFile):
    """Callers use it from one thread at a time, and every method raises `StoreError` when it cannot
    be used.

    Args:
        section: the file, and its bounds.
        wall_clock: Unix time in seconds.

    Raises:
        StoreError: it cannot be opened, or was written by another version.
    """

    def __init__(self, section: ResponseStoreSection, wall_clock: Callable[[], float]) -> None:
        super().__init__(section.path, _TABLES, _LAYOUT)
        self._section, self._wall_clock = section, wall_clock

    def save(self, caller: str, response_id: str, stored: StoredResponse) -> None:
        """Stores an answer, and drops what is too old or has no room any more."""
        now = self._wall_clock()
        with self._writing():
            self._run("DELETE FROM response WHERE time < ?", self._oldest())
            self._run(
                "REPLACE INTO response VALUES (?, ?, ?, ?, ?)",
                caller,
                response_id,
                now,
                stored.answer,
                stored.items,
            )
            self._run(_BEYOND_THE_ROOM, caller, self._section.max_bytes_per_key)

    def find(self, caller: str, response_id: str) -> StoredResponse | None:
        """An answer to this caller; None: unknown, another's or forgotten."""
        found = self._rows(
            "SELECT answer, items FROM response WHERE caller = ? AND id = ? AND time >= ?",
            caller,
            response_id,
            self._oldest(),
        )
        return StoredResponse(*found[0]) if found else None

    def delete(self, caller: str, response_id: str) -> bool:
        """Forgets an answer to this caller; whether there was one."""
        statement = "DELETE FROM response WHERE caller = ? AND id = ? AND time >= ?"
        return self._run(statement, caller, response_id, self._oldest())

    def _oldest(self) -> float:
        return self._wall_clock() - self._section.max_age_hours * 3600


def opened(section: ResponseStoreSection, wall_clock: Callable[[], float]) -> ResponseStore:
    """The store of the configuration.

    Raises:
        ConfigError: it cannot be used.
    """
    try:
        return ResponseStore(section, wall_clock)
    except StoreError as error:
        raise ConfigError(f"gateway.response_store.path: {error}") from error
