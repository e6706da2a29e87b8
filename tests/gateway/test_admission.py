"""`gateway.admission`: no more at once than allowed."""

import asyncio

import pytest

from gateway.admission import Slots
from gateway.errors import TooManyRequests
from tests.fakes import FakeBackend
from tests.gateway.stacks import CHAT, make_gateway, until


def test_a_slot_is_given_back_after_a_failure():
    """A slot is free again however its request ended."""
    slots = Slots(1)
    with pytest.raises(RuntimeError), slots.slot():
        raise RuntimeError

    assert slots.taken == 0


def test_no_slot_beyond_the_limit():
    """When all slots are taken the next request is refused and takes none."""
    slots = Slots(1)
    with slots.slot(), pytest.raises(TooManyRequests), slots.slot():
        pass

    assert slots.taken == 0


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
