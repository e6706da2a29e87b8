"""Files of stores: another program's stay as they are, and a check changes none."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.config import ConfigError, ResponseStoreSection
from gateway.errors import StoreError
from gateway.evidence import sqlite_store
from gateway.stored_responses import opening
from gateway.stored_responses.sqlite import SqliteResponses
from tests.fakes import FakeClock


def responses(path):
    return SqliteResponses(path, ResponseStoreSection(path=path), FakeClock())


STORES = pytest.mark.parametrize(
    ("start", "check"),
    [
        pytest.param(sqlite_store.SqliteStore, sqlite_store.check, id="evidence"),
        pytest.param(responses, opening.check, id="responses"),
    ],
)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "of stores?.db")


def execute(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


def content(path):
    """What the folder of a file holds."""
    return {file.name: file.read_bytes() for file in Path(path).parent.iterdir()}


@STORES
@pytest.mark.parametrize("layout", [0, 1, 2, 99])
def test_another_programs_database_stays_as_it_is(path, start, check, layout):
    """Whatever number its layout has: neither a check nor a start takes it."""
    execute(path, "CREATE TABLE users (name TEXT)", f"PRAGMA user_version = {layout}")
    before = content(path)

    with pytest.raises(ConfigError, match="another program"):
        check(path)
    with pytest.raises(StoreError, match="another program"):
        start(path)

    assert content(path) == before


FIRST_LAYOUT = (
    "CREATE TABLE answer (request_id TEXT PRIMARY KEY, model TEXT, time REAL) STRICT",
    "PRAGMA user_version = 1",
)


@pytest.mark.parametrize("log", ["DELETE", "WAL"])
def test_a_check_leaves_an_earlier_layout_as_it_is(path, log):
    """The gateway that starts brings it to its own."""
    execute(path, f"PRAGMA journal_mode = {log}", *FIRST_LAYOUT)
    before = content(path)

    sqlite_store.check(path)

    assert content(path) == before


def test_a_check_sees_what_a_gateway_has_just_written(path):
    """Which stands beside the file as yet; so does the layout of a newer version."""
    store = sqlite_store.SqliteStore(path)
    sqlite_store.check(path)
    execute(path, "PRAGMA user_version = 99")

    with pytest.raises(ConfigError, match="99"):
        sqlite_store.check(path)
    store.close()


def test_tables_of_others_beside_ours_are_no_fault(path):
    """Programs that copy a file as it grows keep theirs in it."""
    sqlite_store.SqliteStore(path).close()
    execute(path, "CREATE TABLE _copied (number INTEGER)")

    sqlite_store.check(path)
    sqlite_store.SqliteStore(path).close()


def test_a_gateway_goes_on_where_another_was_killed(path):
    """Which had made some tables, and written no layout yet."""
    execute(path, "CREATE TABLE standing (specialist TEXT PRIMARY KEY, value BLOB) STRICT")

    sqlite_store.check(path)
    sqlite_store.SqliteStore(path).close()
