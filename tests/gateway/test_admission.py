"""`gateway.admission`: no more at once than allowed."""

import asyncio
from contextlib import ExitStack

import pytest
from starlette.types import Message, Receive

from gateway.admission import FREE_BYTES, BodyRoom, CountedBody, Slots, client_of
from gateway.config import GatewaySection
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


def receiving(*sizes: int) -> Receive:
    """A client that sends a body in pieces of these sizes."""
    pieces = [b"x" * size for size in reversed(sizes)]

    async def receive() -> Message:
        if not pieces:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": pieces.pop(), "more_body": bool(pieces)}

    return receive


async def test_bodies_have_room_together():
    """What one holds the next lacks, as long as its request lasts."""
    room = BodyRoom(1000)
    with CountedBody(room, receiving(FREE_BYTES, 600, 0)) as first:
        await first.receive()
        await first.receive()
        with CountedBody(room, receiving(FREE_BYTES, 401, 0)) as second:
            await second.receive()
            with pytest.raises(TooManyRequests) as refused:
                await second.receive()
        with CountedBody(room, receiving(FREE_BYTES, 400, 0)) as third:
            await third.receive()
            await third.receive()
            assert room.taken == 1000

    assert refused.value.headers["retry-after"] == "1"
    assert room.taken == 0


async def test_longer_bodies_are_parsed_in_turn():
    """A turn lasts until what comes after the body is asked for, or the request ends."""
    room, long = BodyRoom(1000), (FREE_BYTES, 1)
    with CountedBody(room, receiving(*long)) as one, CountedBody(room, receiving(*long)) as two:
        for body in (one, two, one):
            await body.receive()
        waiting = asyncio.create_task(two.receive())
        await asyncio.sleep(0)
        assert not waiting.done()
        after = asyncio.create_task(one.receive())
        await waiting
        after.cancel()
    assert not room.parsing.locked()


async def test_a_short_body_always_has_room():
    """Its bytes count nothing."""
    room = BodyRoom(0)
    with CountedBody(room, receiving(FREE_BYTES)) as body:
        await body.receive()

    assert room.taken == 0


async def test_a_gateway_full_of_bodies_refuses_long_ones_alone():
    """A long one gets 429; short ones are answered, and long ones again when there is room."""
    gate = asyncio.Event()
    long = CHAT | {"messages": [{"role": "user", "content": "SELECT " * 21_000}]}
    limits = {"max_body_bytes": 150_000, "max_concurrent_body_bytes": 150_000}
    gateway = make_gateway(sql=FakeBackend("sql-model", first_gate=gate), **limits)
    first = asyncio.create_task(gateway.post(long))
    await until(lambda: gateway.sql.open_streams)

    refused, short = await gateway.post(long), asyncio.create_task(gateway.post(CHAT))
    gate.set()

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert {(await first).status_code, (await short).status_code} == {200}
    assert (await gateway.post(long)).status_code == 200


def test_there_is_room_for_a_body_at_least():
    """Else the longest would be refused for ever."""
    assert GatewaySection(max_body_bytes=10).body_room_bytes == 160
    with pytest.raises(ValueError, match="max_concurrent_body_bytes"):
        GatewaySection(max_body_bytes=10, max_concurrent_body_bytes=9)


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
