"""Requests to a pool without a replica: one that was never up, and one between two replicas."""

import asyncio
from typing import Any

import pytest

from deployments.handle import ServeBackend
from deployments.protocol import Unavailable
from tests.deployments.test_handle import HELLO, Handle, Response, collect, complete


@pytest.mark.parametrize("ask", [collect, complete])
async def test_a_pool_that_was_never_up_refuses_at_once(ask: Any) -> None:
    """Serve would have the request wait for a replica that may not come. The reason is what the
    controller tells."""
    handle = Handle(Response(HELLO), verdicts=())
    asked = ServeBackend("sql", lambda: handle, why_down=lambda: "no weights")
    known = ""
    async with asyncio.timeout(10):
        while known != "no weights":  # the controller is asked in the background
            with pytest.raises(Unavailable) as ill:
                await asked.health("sql")
            known = ill.value.reason
            await asyncio.sleep(0.001)

    with pytest.raises(Unavailable) as refused:
        await ask(asked)

    assert refused.value.reason == "no weights"
    assert handle.asked == 0


@pytest.mark.parametrize("ask", [collect, complete])
async def test_between_two_replicas_a_request_waits(ask: Any) -> None:
    """Serve holds it until the next is there."""
    handle = Handle(Response(HELLO))
    asked = ServeBackend("sql", lambda: handle)
    await asked.health("sql")
    handle.verdicts = ()
    with pytest.raises(Unavailable):
        await asked.health("sql")

    assert await ask(asked) == [HELLO]
