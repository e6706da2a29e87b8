"""Answers in Redis: what it forgets by itself, and what is said where it cannot be used."""

import signal
import sys

import pytest

from gateway.config import ConfigError, ResponseStoreSection
from gateway.errors import StoreError
from gateway.stored_responses.opening import opened
from gateway.stored_responses.redis import checked_url
from tests.fakes import FakeClock
from tests.gateway.stored_responses.conftest import PASSWORD, VARIABLE
from tests.gateway.stored_responses.test_store import SMALL, kept

CLOCK = FakeClock(1_000_000.0)
SECTION = ResponseStoreSection(redis_url_env=VARIABLE, max_age_hours=1)


@pytest.fixture
def direct(redis_server):
    """A client that sees every key."""
    import redis

    with redis.Redis.from_url(redis_server.url) as client:
        yield client


@pytest.fixture
async def store(redis_server):
    made = opened(SECTION, CLOCK)
    yield made
    await made.close()


async def test_redis_forgets_all_of_a_key_by_itself(store, direct):
    """Nothing stays of one that does not come back."""
    await store.save("a", "resp_1", SMALL)
    await store.save("", "resp_2", SMALL)

    left = [direct.pttl(key) for key in direct.scan_iter()]
    assert len(left) == 6
    assert all(0 < milliseconds <= 3_600_000 for milliseconds in left)


async def test_what_is_deleted_leaves_no_trace(store, direct):
    """Neither its text nor its id."""
    await store.save("a", "resp_1", SMALL)
    await store.delete("a", "resp_1")

    assert direct.dbsize() == 1
    [sizes] = direct.scan_iter()
    assert direct.hgetall(sizes) == {b"total": b"0"}


@pytest.mark.parametrize("lost", ["times", "sizes", "answer:resp_1"])
async def test_a_redis_that_was_short_of_memory_loses_answers_and_no_more(store, direct, lost):
    """Whichever key it gave up: the next answers are kept, within their room."""
    await store.save("a", "resp_1", SMALL)
    direct.delete(f"niche:{{responses:a}}:{lost}")
    small = opened(SECTION.model_copy(update={"max_bytes_per_key": SMALL.size}), CLOCK)
    for number in (2, 3, 4):
        CLOCK.advance(1)
        await small.save("a", f"resp_{number}", SMALL)
    await small.close()

    assert await kept(store, "a", "resp_4") == ["resp_4"]
    assert await kept(store, "a", "resp_2", "resp_3") == []


async def test_a_redis_that_comes_back_is_used_again(store, redis_server):
    """Without a start of the gateway."""
    await store.save("a", "resp_1", SMALL)
    redis_server.stop()
    redis_server.start()

    await store.save("a", "resp_2", SMALL)
    assert await kept(store, "a", "resp_1", "resp_2") == ["resp_2"]


async def test_a_redis_that_hangs_is_not_waited_for(store, redis_server):
    """Nor does a late answer become that of another question."""
    await store.save("a", "resp_1", SMALL)
    redis_server.process.send_signal(signal.SIGSTOP)
    for _ in range(2):
        with pytest.raises(StoreError):
            await store.answers("a", ["resp_1"])
    redis_server.process.send_signal(signal.SIGCONT)

    assert await store.conversation("a", "resp_1") == SMALL.items
    assert await kept(store, "a", "resp_1", "resp_2") == ["resp_1"]


def test_a_redis_that_does_not_answer_is_a_fault_of_the_configuration(redis_server):
    """At the start; the password is not shown."""
    redis_server.stop()
    with pytest.raises(ConfigError) as caught:
        opened(SECTION, CLOCK)

    assert str(caught.value).startswith("gateway.response_store.redis_url_env: ")
    assert PASSWORD not in str(caught.value)


def test_a_wrong_password_is_a_fault_of_the_configuration(redis_server, monkeypatch):
    """It is not shown either."""
    monkeypatch.setenv(VARIABLE, redis_server.url.replace(PASSWORD, "another"))
    with pytest.raises(ConfigError) as caught:
        opened(SECTION, CLOCK)

    assert VARIABLE in str(caught.value)
    assert "another" not in str(caught.value)


def test_an_unknown_parameter_of_the_url_is_a_fault_of_the_configuration(redis_server, monkeypatch):
    """It is named."""
    monkeypatch.setenv(VARIABLE, f"{redis_server.url}?colour=red")
    with pytest.raises(ConfigError, match="colour"):
        opened(SECTION, CLOCK)


@pytest.mark.parametrize("url", ["", "http://host", "redis://:pa/ss@host:1", "redis://:pa#ss@h:1"])
def test_what_is_no_url_of_a_redis_names_the_variable(url, monkeypatch):
    """And repeats nothing of it."""
    pytest.importorskip("redis", reason="the extra `redis` is not installed")
    monkeypatch.setenv(VARIABLE, url)
    with pytest.raises(ConfigError) as caught:
        checked_url(VARIABLE)

    assert VARIABLE in str(caught.value)
    assert "'pa'" not in str(caught.value)


def test_without_the_package_the_extra_is_named(monkeypatch):
    """As for the other extras."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigError, match=r"\[redis\]"):
        checked_url(VARIABLE)
