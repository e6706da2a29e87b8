"""What both stores of answers do: each key has its own, and as much room as the next."""

import pytest

from gateway.config import ConfigError, ResponseStoreSection
from gateway.errors import StoreError
from gateway.stored_responses.opening import opened
from gateway.stored_responses.store import StoredResponse
from tests.fakes import FakeClock

SMALL = StoredResponse(b"{}", b"[]")


@pytest.fixture
def clock():
    return FakeClock(1_000_000.0)


@pytest.fixture
async def make(place, clock):
    """A gateway's store of the same place, with other bounds if they are given."""
    made = []

    def another(**bounds):
        made.append(opened(place.section(**bounds), clock))
        return made[-1]

    yield another
    for store in made:
        await store.close()


async def kept(store, caller, *names):
    return sorted(await store.answers(caller, names))


async def test_another_gateway_finds_what_one_has_stored(make):
    """As it was."""
    stored = StoredResponse(b'{"a": "\xc3\xa9"}', b"[1]")
    await make().save("a", "resp_1", stored)

    other = make()
    assert await other.answers("a", ["resp_1", "resp_2"]) == {"resp_1": stored.answer}
    assert await other.conversation("a", "resp_1") == stored.items
    assert await other.conversation("a", "resp_2") is None


async def test_a_key_sees_its_own_alone(make):
    """Another's cannot be read, nor deleted."""
    store = make()
    await store.save("a", "resp_1", SMALL)

    assert await kept(store, "b", "resp_1") == []
    assert await store.conversation("b", "resp_1") is None
    assert not await store.delete("b", "resp_1")
    assert await store.delete("a", "resp_1")
    assert not await store.delete("a", "resp_1")
    assert await kept(store, "a", "resp_1") == []


async def test_an_old_answer_is_forgotten(make, clock):
    """When its time is over it is not found, and the key's next answer overwrites it."""
    store = make(max_age_hours=1)
    await store.save("a", "resp_1", SMALL)
    clock.advance(3601)

    assert await kept(store, "a", "resp_1") == []
    assert (await store.conversation("a", "resp_1"), await store.delete("a", "resp_1")) == (
        None,
        False,
    )
    await store.save("a", "resp_2", SMALL)
    assert await kept(make(max_age_hours=9), "a", "resp_1", "resp_2") == ["resp_2"]


async def test_the_newest_answers_of_a_key_stay(make, clock):
    """The oldest make way, and those of other keys do not."""
    store = make(max_bytes_per_key=8)
    await store.save("b", "resp_0", SMALL)
    for number in range(1, 4):
        await store.save("a", f"resp_{number}", SMALL)
        clock.advance(1)

    assert await kept(store, "a", "resp_1", "resp_2", "resp_3") == ["resp_2", "resp_3"]
    assert await kept(store, "b", "resp_0") == ["resp_0"]


async def test_what_is_deleted_makes_room(make, clock):
    """Another answer takes its place, and drops none."""
    store = make(max_bytes_per_key=8)
    for number in (1, 2):
        await store.save("a", f"resp_{number}", SMALL)
        clock.advance(1)
    await store.delete("a", "resp_2")
    await store.save("a", "resp_3", SMALL)

    assert await kept(store, "a", "resp_1", "resp_2", "resp_3") == ["resp_1", "resp_3"]


async def test_an_answer_that_is_stored_twice_counts_once(make, clock):
    """The later one is found."""
    store = make(max_bytes_per_key=8)
    await store.save("a", "resp_1", SMALL)
    for answer in (b"{}", b"[]"):
        clock.advance(1)
        await store.save("a", "resp_2", StoredResponse(answer, b"[]"))

    assert await store.answers("a", ["resp_1", "resp_2"]) == {"resp_1": b"{}", "resp_2": b"[]"}


async def test_an_answer_beyond_all_room_is_not_kept(make):
    """And what there was is not lost for it."""
    store = make(max_bytes_per_key=8)
    await store.save("a", "resp_1", SMALL)
    await store.save("a", "resp_2", StoredResponse(b"{}", b"[1234567]"))

    assert await kept(store, "a", "resp_1", "resp_2") == ["resp_1"]


async def test_many_answers_are_read_at_once(make):
    """As many as a request may refer to."""
    store = make()
    await store.save("a", "resp_7", SMALL)

    assert await kept(store, "a", *(f"resp_{number}" for number in range(1000))) == ["resp_7"]


async def test_a_store_that_cannot_be_used_says_so(make, place):
    """Every call of it."""
    store = make()
    await store.save("a", "resp_1", SMALL)
    place.breaks()

    for call in (
        store.save("a", "resp_2", SMALL),
        store.answers("a", ["resp_1"]),
        store.conversation("a", "resp_1"),
        store.delete("a", "resp_1"),
    ):
        with pytest.raises(StoreError):
            await call


def test_a_file_that_cannot_be_written_is_a_fault_of_the_configuration(tmp_path, clock):
    """It names the key."""
    section = ResponseStoreSection(path=str(tmp_path / "absent" / "responses.db"))

    with pytest.raises(ConfigError, match=r"gateway\.response_store\.path"):
        opened(section, clock)
