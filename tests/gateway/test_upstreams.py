"""Models that the gateway asks itself: their engines live as long as it, and their limits hold."""

import asyncio
from dataclasses import dataclass, field

import pytest

from deployments.spec import Limits
from deployments.upstream import Upstream
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
