"""The store of answers: each key has its own, and as much room as the next."""

import pytest

from gateway.config import ConfigError, ResponseStoreSection
from gateway.response_store import ResponseStore, StoredResponse, opened
from tests.fakes import FakeClock

SMALL = StoredResponse(b"{}", b"[]")


@pytest.fixture
def clock():
    return FakeClock(1_000_000.0)


@pytest.fixture
def make(tmp_path, clock):
    """A gateway's store of the same file, with other bounds if they are given."""
    made = []

    def another(**bounds):
        section = ResponseStoreSection(path=str(tmp_path / "responses.db"), **bounds)
        made.append(ResponseStore(section, clock))
        return made[-1]

    yield another
    for store in made:
        store.close()


def test_another_gateway_finds_what_one_has_stored(make):
    """As it was."""
    make().save("a", "resp_1", SMALL)

    assert make().find("a", "resp_1") == SMALL


def test_a_key_sees_its_own_alone(make):
    """Another's cannot be read, nor deleted."""
    store = make()
    store.save("a", "resp_1", SMALL)

    assert store.find("b", "resp_1") is None
    assert not store.delete("b", "resp_1")
    assert store.delete("a", "resp_1")
    assert store.find("a", "resp_1") is None


def test_an_old_answer_is_forgotten(make, clock):
    """When its time is over it is not found, and the next answer overwrites it."""
    store = make(max_age_hours=1)
    store.save("a", "resp_1", SMALL)
    clock.advance(3601)

    assert (store.find("a", "resp_1"), store.delete("a", "resp_1")) == (None, False)
    store.save("b", "resp_2", SMALL)
    assert make(max_age_hours=9).find("a", "resp_1") is None


def test_the_newest_answers_of_a_key_stay(make, clock):
    """The oldest make way, and those of other keys do not."""
    store = make(max_bytes_per_key=8)
    store.save("b", "resp_0", SMALL)
    for number in range(1, 4):
        store.save("a", f"resp_{number}", SMALL)
        clock.advance(1)

    assert store.find("a", "resp_1") is None
    assert [store.find(*one) for one in (("a", "resp_2"), ("a", "resp_3"), ("b", "resp_0"))] == [
        SMALL
    ] * 3


def test_an_answer_beyond_all_room_is_not_kept(make):
    """And what there was is not lost for it."""
    store = make(max_bytes_per_key=8)
    store.save("a", "resp_1", SMALL)
    store.save("a", "resp_2", StoredResponse(b"{}", b"[1234567]"))

    assert store.find("a", "resp_2") is None


def test_a_file_that_cannot_be_written_is_a_fault_of_the_configuration(tmp_path, clock):
    """It names the key."""
    section = ResponseStoreSection(path=str(tmp_path / "absent" / "responses.db"))

    with pytest.raises(ConfigError, match=r"gateway\.response_store\.path"):
        opened(section, clock)
