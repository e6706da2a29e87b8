"""Models that the gateway asks itself: their engines live as long as it, and their limits hold."""

import asyncio
import json
from dataclasses import dataclass, field

import pytest

from deployments.spec import Limits
from deployments.upstream import Upstream
from tests.deployments.upstream import Upstream as Server
from tests.deployments.upstream import connected
from tests.fakes import FakeBackend
from tests.gateway.stacks import CHAT, SPECIALIST, Gateway, HangingUp, make_gateway, until

ONE = SPECIALIST.model_copy(
    update={"limits": Limits(max_ongoing_requests=1, max_queued_requests=1)}
)


@dataclass
class Noted(FakeBackend):
    """An engine that notes when it is started and stopped."""

    name: str = "sql-model"
    notes: list[str] = field(default_factory=list)

    async def start(self):
        self.notes.append("started")

    async def stop(self):
        self.notes.append(f"stopped with {self.open_streams} streams")


def waiting(gateway: Gateway) -> float | None:
    """Requests of the specialist without a first token."""
    return gateway.sample("niche_requests_queued", model="sql-model")


async def test_the_engines_of_this_process_run_while_it_serves():
    """Each is started before the first request, and stopped after the last."""
    engines = [Noted("a"), Noted("b")]
    gateway = make_gateway(engines=engines)

    async with gateway.serving():
        assert [engine.notes for engine in engines] == [["started"]] * 2

    assert [engine.notes[1:] for engine in engines] == [["stopped with 0 streams"]] * 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_full_upstream_is_passed_over(stream):
    """What its queue does not take goes to the generalist, and the reason says so."""
    engine = Noted(first_gate=asyncio.Event())
    gateway = make_gateway(sql=Upstream(ONE, engine), specialist=ONE)
    taken = [asyncio.create_task(gateway.post(CHAT)) for _ in range(2)]
    await until(lambda: waiting(gateway) == 2)

    response = await gateway.post(CHAT | {"stream": stream})

    assert response.headers["x-niche-reason"] == "overloaded"
    assert response.headers["x-niche-model"] == "big"
    engine.first_gate.set()
    answers = await asyncio.gather(*taken)
    assert [answer.json()["model"] for answer in answers] == ["sql-model"] * 2


async def test_a_client_that_leaves_the_queue_frees_its_place():
    """Another may wait instead, and the engine never hears of it."""
    engine = Noted(first_gate=asyncio.Event())
    gateway, client = make_gateway(sql=Upstream(ONE, engine), specialist=ONE), HangingUp(CHAT)
    first = asyncio.create_task(gateway.post(CHAT))
    await until(lambda: engine.open_streams)
    leaving = asyncio.create_task(gateway.app(client.scope, client.receive, client.send))
    await until(lambda: waiting(gateway) == 2)

    client.hang_up.set()
    await asyncio.wait_for(leaving, 2)

    assert (await gateway.sql.load("sql-model")).queued == 0
    engine.first_gate.set()
    assert (await first).json()["model"] == "sql-model"
    assert len(engine.requests) == 1


async def test_an_upstream_that_is_down_is_not_routed_to():
    """Its own word takes it out of routing, as a replica's does."""
    engine = Noted(illness="upstream: no route")
    gateway = make_gateway(sql=Upstream(ONE, engine), specialist=ONE)

    ready = await gateway.get("/readyz?all")
    response = await gateway.post(CHAT)

    assert ready.status_code == 503
    assert response.headers["x-niche-model"] == "big"
    assert gateway.sample("niche_model_up", model="sql-model") == 0
    assert engine.requests == []


SECRET = "no route to 10.1.2.3 with key abc123"
SAID = {"choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}]}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("status", "headers", "told", "seconds"),
    [
        (429, {"Retry_After": "20"}, 429, "20"),
        (503, {"Retry_After": "20"}, 503, "20"),
        (503, {}, 503, "1"),
        (400, {}, 400, None),
        (413, {}, 400, None),
        (200, {}, 503, "1"),
        (302, {"Location": f"http://{SECRET}"}, 503, "1"),
    ],
    ids=["busy", "down", "down, no hint", "refused", "too large", "200", "moved"],
)
async def test_an_upstreams_error_is_told_in_our_words(status, headers, told, seconds, stream):
    """With its `Retry-After`, and nothing else that it said."""
    server = Server()
    server.answers({"error": {"message": SECRET, "code": SECRET}}, status, **headers)
    async with connected(server) as engine:
        response = await make_gateway(big=engine).post(CHAT | {"model": "big", "stream": stream})

    assert (response.status_code, response.headers.get("retry-after")) == (told, seconds)
    assert "10.1.2.3" not in response.text + str(response.headers)
    assert "abc123" not in response.text + str(response.headers)


@pytest.mark.parametrize(
    "ending",
    [
        {"error": {"message": SECRET}},
        {"error": {"message": SECRET, "code": 400, "param": SECRET}},
        {"error": SECRET},
        {"object": "error", "message": SECRET},
        SECRET,
        {"choices": [{"index": 0, "delta": {}, "finish_reason": SECRET}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "abort"}]},
        {"choices": [{"index": 0, "delta": {"content": {"x": SECRET}}, "finish_reason": {}}]},
    ],
    ids=["error", "code", "text", "object", "no JSON", "reason", "abort", "no reason"],
)
async def test_a_stream_that_an_upstream_breaks_off_ends_with_our_words(ending):
    """After what it said before; there is no [DONE]."""
    server = Server()
    server.streams(SAID, ending)
    async with connected(server) as engine:
        response = await make_gateway(big=engine).post(CHAT | {"model": "big", "stream": True})

    *_, last = [line for line in response.text.splitlines() if line]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] in {
        "model_unavailable",
        "invalid_prompt",
    }
    assert "Hel" in response.text
    assert "10.1.2.3" not in response.text


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "reason", ["abort", "error", "cancelled", "insufficient_system_resource", SECRET]
)
async def test_an_answer_that_an_upstream_breaks_off_at_once_is_another_models(reason, stream):
    """Nothing was sent of it."""
    server = Server()
    part = "delta" if stream else "message"
    choice = {"index": 0, part: {"role": "assistant", "content": ""}, "finish_reason": reason}
    if stream:
        server.streams({"choices": [choice]}, b"data: [DONE]\n\n")
    else:
        server.answers({"choices": [choice | {part: {"content": "Hel"}}]})
    async with connected(server) as engine:
        response = await make_gateway(sql=engine).post(CHAT | {"stream": stream})

    assert response.status_code == 200
    assert response.headers["x-niche-model"] == "big"
    assert response.headers["x-niche-reason"] == "unhealthy"
