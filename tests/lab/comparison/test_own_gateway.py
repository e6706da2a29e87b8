"""The gateway of this very project, as the comparison sees it from outside."""

import time

import httpx
import pytest

from lab.comparison.client import ChatRequest, Client
from lab.comparison.endpoint import Endpoint, read_catalogue
from lab.comparison.rows import Turn
from tests.fakes import FakeBackend
from tests.gateway.stacks import make_gateway

HERE = Endpoint("http://gateway/v1")
CHAT = (Turn(role="user", content="please SELECT"),)


async def test_answers_tell_who_gave_them_and_what_they_took() -> None:
    """Route, tokens, both costs and engine seconds come with the stream."""
    gateway = make_gateway(sql=FakeBackend("sql-model", engine_seconds=2.0))
    transport = httpx.ASGITransport(gateway.app)
    async with httpx.AsyncClient(transport=transport) as http:
        client = Client(http, time.perf_counter, 5)

        found = await client.send(ChatRequest("row", "auto", "auto", HERE, CHAT, 16))

    assert (found.error, found.text, found.finish) == (None, "Hello, world", "stop")
    assert (found.model, found.domain, found.reason) == ("sql-model", "sql", "routed")
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (7, 3)
    assert found.usage.list_cost == pytest.approx(13e-6)
    assert (found.usage.engine_seconds, found.usage.attributed_cost) == (
        2.0,
        pytest.approx(2.0 * 7.2 / 3600),
    )


async def test_the_catalogue_tells_roles() -> None:
    """So that nobody has to name the baseline."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(make_gateway().app)) as http:
        found = await read_catalogue(http, HERE)

    assert (found.generalist, found.specialists) == ("big", {"sql": "sql-model"})
    assert "auto" in found.models
