"""The answers of one gateway on their way to the store."""

import asyncio
import sqlite3

import pytest

from gateway.errors import StoreError
from gateway.evidence.feedback import AnsweredRequests
from gateway.evidence.sqlite_store import SqliteStore
from gateway.evidence.store import StoreExecutor


@pytest.fixture
def executor(tmp_path):
    executor = StoreExecutor(SqliteStore(str(tmp_path / "evidence.db")))
    yield executor
    executor.close()


async def found(executor, names):
    return [await executor.run(lambda store, name=name: store.model_of(name)) for name in names]


async def test_two_who_write_at_once_lose_nothing(executor):
    """Feedback writes what the housekeeping is writing, while more answers come."""
    answers = AnsweredRequests(executor, lambda: 1.0, 60)
    for name in ("a", "b", "c"):
        answers.add(name, "big")
    first, second = (asyncio.create_task(answers.write()) for _ in range(2))
    await asyncio.sleep(0)
    answers.add("d", "big")
    await asyncio.gather(first, second)
    await answers.write()

    assert await found(executor, "abcd") == ["big"] * 4


async def test_what_could_not_be_written_is_written_later(executor, tmp_path):
    """A store that fails costs no answer, neither those it was given nor those that came since."""
    answers = AnsweredRequests(executor, lambda: 1.0, 60)
    answers.add("a", "big")
    with sqlite3.connect(tmp_path / "evidence.db") as other:
        other.execute("ALTER TABLE answer RENAME TO hidden")
    with pytest.raises(StoreError):
        await answers.write()
    answers.add("b", "big")
    with sqlite3.connect(tmp_path / "evidence.db") as other:
        other.execute("ALTER TABLE hidden RENAME TO answer")
    await answers.write()

    assert await found(executor, "ab") == ["big", "big"]
