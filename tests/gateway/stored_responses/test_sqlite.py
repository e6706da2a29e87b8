"""The file of answers that the gateways of one machine share."""

import sqlite3

from gateway.stored_responses.sqlite import SqliteResponses
from tests.fakes import FakeClock
from tests.gateway.stored_responses.conftest import Place
from tests.gateway.stored_responses.test_store import SMALL


async def test_what_is_too_old_goes_with_the_next_answer_to_anybody(tmp_path):
    """A key that does not come back leaves nothing."""
    path, clock = str(tmp_path / "responses.db"), FakeClock(1_000_000.0)
    section = Place({"path": path}, lambda: None).section(max_age_hours=1)
    store = SqliteResponses(path, section, clock)
    await store.save("a", "resp_1", SMALL)
    clock.advance(3601)
    await store.save("b", "resp_2", SMALL)
    await store.close()

    with sqlite3.connect(path) as other:
        assert other.execute("SELECT id FROM response").fetchall() == [("resp_2",)]
