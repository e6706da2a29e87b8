"""Answers in one SQLite file, which all gateways of a machine share."""

import asyncio
import json
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from gateway.config import ResponseStoreSection
from gateway.sqlite_file import Schema, SqliteFile, check_file
from gateway.stored_responses.store import StoredResponse

_Result = TypeVar("_Result")

_TABLES = """
CREATE TABLE IF NOT EXISTS response
    (caller TEXT, id TEXT, time REAL, answer BLOB, items BLOB, PRIMARY KEY (caller, id)) STRICT;
CREATE INDEX IF NOT EXISTS response_time ON response (time);
CREATE INDEX IF NOT EXISTS response_of ON response (caller, time);
"""

_SCHEMA = Schema(_TABLES, 1)

_BEYOND_THE_ROOM = """
DELETE FROM response WHERE caller = ?1 AND id IN (
    SELECT id FROM (
        SELECT id, sum(length(answer) + length(items)) OVER newer AS bytes
        FROM response WHERE caller = ?1 WINDOW newer AS (ORDER BY time DESC, rowid DESC)
    ) WHERE bytes > ?2
)
"""


def check(path: str) -> None:
    """Checks a file of answers that is there. Changes nothing.

    Raises:
        StoreError: it cannot be used.
    """
    check_file(path, _SCHEMA)


class SqliteResponses:
    """See `ResponseStore`. The file is used on a thread of its own.

    Args:
        path: the file.
        section: its bounds.
        wall_clock: Unix time in seconds.

    Raises:
        StoreError: it cannot be opened, or was written by another version.
    """

    def __init__(
        self, path: str, section: ResponseStoreSection, wall_clock: Callable[[], float]
    ) -> None:
        self._file = _File(path, section, wall_clock)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="response-store")

    async def save(self, caller: str, response_id: str, stored: StoredResponse) -> None:
        """See `ResponseStore`."""
        await self._run(partial(self._file.save, caller, response_id, stored))

    async def answers(self, caller: str, response_ids: Collection[str]) -> dict[str, bytes]:
        """See `ResponseStore`."""
        return await self._run(partial(self._file.answers, caller, response_ids))

    async def conversation(self, caller: str, response_id: str) -> bytes | None:
        """See `ResponseStore`."""
        return await self._run(partial(self._file.conversation, caller, response_id))

    async def delete(self, caller: str, response_id: str) -> bool:
        """See `ResponseStore`."""
        return await self._run(partial(self._file.delete, caller, response_id))

    async def close(self) -> None:
        """See `ResponseStore`."""
        await self._run(self._file.close)
        self._thread.shutdown()

    async def _run(self, task: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, task)


class _File(SqliteFile):
    def __init__(
        self, path: str, section: ResponseStoreSection, wall_clock: Callable[[], float]
    ) -> None:
        super().__init__(path, _SCHEMA)
        self._section, self._wall_clock = section, wall_clock

    def save(self, caller: str, response_id: str, stored: StoredResponse) -> None:
        if stored.size > self._section.max_bytes_per_key:
            return
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

    def answers(self, caller: str, response_ids: Collection[str]) -> dict[str, bytes]:
        rows = self._rows(
            "SELECT id, answer FROM response WHERE caller = ? AND time >= ? "
            "AND id IN (SELECT value FROM json_each(?))",
            caller,
            self._oldest(),
            json.dumps(list(response_ids)),
        )
        return dict(rows)

    def conversation(self, caller: str, response_id: str) -> bytes | None:
        rows = self._rows(
            "SELECT items FROM response WHERE caller = ? AND id = ? AND time >= ?",
            caller,
            response_id,
            self._oldest(),
        )
        return rows[0][0] if rows else None

    def delete(self, caller: str, response_id: str) -> bool:
        statement = "DELETE FROM response WHERE caller = ? AND id = ? AND time >= ?"
        return self._run(statement, caller, response_id, self._oldest())

    def _oldest(self) -> float:
        return self._wall_clock() - self._section.max_age_hours * 3600
