"""`gateway.admission`: no more at once than allowed."""

import asyncio
from contextlib import ExitStack

import pytest

from gateway.admission import Slots, client_of
from gateway.errors import TooManyRequests
from tests.fakes import FakeBackend
from tests.gateway.stacks import CHAT, make_gateway, until


def test_a_slot_is_given_back_after_a_failure():
    """A slot is free again however its request ended."""
    slots = Slots(1)
    with pytest.raises(RuntimeError), slots.slot("a"):
        raise RuntimeError

    assert slots.taken == 0


def test_no_slot_beyond_the_limit():
    """When all slots are taken the next request is refused and takes none."""
    slots = Slots(1)
    with slots.slot("a"), pytest.raises(TooManyRequests), slots.slot("b"):
        pass

    assert slots.taken == 0


def test_one_client_leaves_something_for_the_others():
    """It gets three quarters, and gets them again when it has ended its requests."""
    slots = Slots(8)
    for _ in range(2):
        with ExitStack() as held:
            for _ in range(6):
                held.enter_context(slots.slot("flood"))
            with pytest.raises(TooManyRequests):
                held.enter_context(slots.slot("flood"))
            for _ in range(2):
                held.enter_context(slots.slot("polite"))
            with pytest.raises(TooManyRequests):
                held.enter_context(slots.slot("another"))
        assert slots.taken == 0


@pytest.mark.parametrize(
    ("scope", "client"),
    [
        pytest.param({"client": ("9.9.9.9", 1)}, "9.9.9.9", id="address"),
        pytest.param({"client": ("2001:db8::1", 1)}, "2001:0db8:0000:0000", id="network of IPv6"),
        pytest.param({"client": ("unknown:1:2", 0)}, "unknown:1:2", id="what a server passes on"),
        pytest.param({"client": None}, "", id="nothing is known"),
    ],
)
def test_a_client_without_a_key_is_an_address(scope, client):
    """HAProxy has the server tell the address of who asked HAProxy."""
    assert client_of(scope) == client


async def test_a_client_with_a_key_is_that_key(tmp_path):
    """Two keys of one address have a part each."""
    (tmp_path / "keys").write_text("one\ntwo\n")
    gate = asyncio.Event()
    gateway = make_gateway(
        sql=FakeBackend("sql-model", gate=gate),
        max_concurrent_requests=4,
        api_keys_file=str(tmp_path / "keys"),
    )
    held = [asyncio.create_task(gateway.post(CHAT, **key("one"))) for _ in range(3)]
    await until(lambda: gateway.sql.open_streams == 3)

    refused = await gateway.post(CHAT, **key("one"))
    held.append(asyncio.create_task(gateway.post(CHAT, **key("two"))))
    await until(lambda: gateway.sql.open_streams == 4)
    gate.set()

    assert refused.status_code == 429
    assert {(await task).status_code for task in held} == {200}


def key(name: str) -> dict[str, str]:
    """The header of a key."""
    return {"authorization": f"Bearer {name}"}


async def test_a_full_gateway_says_429_and_stays_observable():
    """A request too many gets 429 with Retry-After, while probes still pass."""
    gate = asyncio.Event()
    gateway = make_gateway(sql=FakeBackend("sql-model", gate=gate), max_concurrent_requests=1)
    first = asyncio.create_task(gateway.post(CHAT))
    await until(lambda: gateway.sql.open_streams)

    refused, probe = await gateway.post(CHAT), await gateway.get("/healthz")
    gate.set()

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert (probe.status_code, (await first).status_code) == (200, 200)
