"""The gateway of this very project, as a load test sees it: over a real connection."""

import asyncio
import time

import httpx

from lab.planning.measurements import from_metrics
from loadtests.traffic.client import Reader, Server, StreamingClient
from loadtests.traffic.probe import requests_in_flight, wait_until_idle
from tests.deployments.upstream import serving
from tests.fakes import FakeBackend
from tests.gateway.stacks import CHAT, make_gateway

BODY = CHAT | {"stream": True, "stream_options": {"include_usage": True}}


async def test_a_result_has_the_model_the_tokens_and_the_costs() -> None:
    """They come with the stream, and so do the engine seconds."""
    gateway = make_gateway(sql=FakeBackend("sql-model", engine_seconds=2.0))
    async with serving(gateway.app) as port:
        client = StreamingClient(Server(f"http://127.0.0.1:{port}"), 5.0)
        answer = await asyncio.to_thread(client.send, BODY, time.perf_counter(), Reader())

    assert (answer.outcome, answer.reason, answer.model) == ("answered", "", "sql-model")
    assert answer.first is not None
    assert answer.usage["completion_tokens"] == 3.0
    assert answer.usage["engine_seconds"] == 2.0
    assert {"prompt_tokens", "cost", "baseline_cost", "attributed_cost"} <= set(answer.usage)


async def test_a_quiet_gateway_has_nothing_in_flight() -> None:
    """It tells so in its metrics, of which a plan reads what its models take."""
    gateway = make_gateway(sql=FakeBackend("sql-model", engine_seconds=2.0))
    async with serving(gateway.app) as port:
        server = Server(f"http://127.0.0.1:{port}")
        client = StreamingClient(server, 5.0)
        await asyncio.to_thread(client.send, BODY, time.perf_counter(), Reader())

        assert await asyncio.to_thread(wait_until_idle, server, 5.0) == 0.0
        assert await asyncio.to_thread(requests_in_flight, server) == 0.0
        async with httpx.AsyncClient() as http:
            metrics = (await http.get(f"{server.url}/metrics")).text

    found = from_metrics(metrics, "here")
    assert found.traffic == {("sql", "sql-model"): 1.0}
    assert found.work[("", "sql-model")].seconds_each == 2.0
