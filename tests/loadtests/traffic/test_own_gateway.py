"""The gateway of this very project, as a load test sees it: over a real connection."""

import asyncio
import time

import httpx

from lab.planning.measurements import from_metrics
from loadtests.traffic.caller import Caller, Manner, Server
from loadtests.traffic.probe import in_flight, settled
from tests.deployments.upstream import serving
from tests.fakes import FakeBackend
from tests.gateway.stacks import CHAT, make_gateway

BODY = CHAT | {"stream": True, "stream_options": {"include_usage": True}}


async def test_answers_tell_who_gave_them_and_what_they_took() -> None:
    """Model, tokens, engine seconds and all three costs come with the stream."""
    gateway = make_gateway(sql=FakeBackend("sql-model", engine_seconds=2.0))
    async with serving(gateway.app) as port:
        caller = Caller(Server(f"http://127.0.0.1:{port}"), 5.0)
        answer = await asyncio.to_thread(caller.ask, BODY, time.perf_counter(), Manner())

    assert (answer.outcome, answer.why, answer.model) == ("answered", "", "sql-model")
    assert answer.first is not None
    assert answer.usage["completion_tokens"] == 3.0
    assert answer.usage["engine_seconds"] == 2.0
    assert {"prompt_tokens", "cost", "baseline_cost", "attributed_cost"} <= set(answer.usage)


async def test_a_quiet_gateway_has_nothing_in_flight() -> None:
    """It tells so in its metrics, of which a plan reads what its models take."""
    gateway = make_gateway(sql=FakeBackend("sql-model", engine_seconds=2.0))
    async with serving(gateway.app) as port:
        server = Server(f"http://127.0.0.1:{port}")
        caller = Caller(server, 5.0)
        await asyncio.to_thread(caller.ask, BODY, time.perf_counter(), Manner())

        assert await asyncio.to_thread(settled, server, 5.0) == 0.0
        assert await asyncio.to_thread(in_flight, server) == 0.0
        async with httpx.AsyncClient() as http:
            metrics = (await http.get(f"{server.url}/metrics")).text

    found = from_metrics(metrics, "here")
    assert found.traffic == {("sql", "sql-model"): 1.0}
    assert found.work[("", "sql-model")].seconds_each == 2.0
