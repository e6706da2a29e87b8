"""Clients that hang up: the model is stopped at once, and the log says why."""

import asyncio

import pytest

from deployments.protocol import Unavailable
from gateway.errors import ClientGone
from gateway.record import Record
from gateway.responses import while_connected
from tests.fakes import FakeBackend
from tests.gateway.stacks import CHAT, HangingUp, make_gateway, until


@pytest.mark.parametrize(
    ("body", "gates"),
    [
        pytest.param(CHAT, {"first_gate": True}, id="unary-before-the-first-chunk"),
        pytest.param(CHAT, {"gate": True}, id="unary-in-the-middle"),
        pytest.param(CHAT | {"stream": True}, {"first_gate": True}, id="stream-before-the-first"),
        pytest.param(CHAT | {"stream": True}, {"gate": True}, id="stream-in-the-middle"),
        pytest.param(CHAT | {"n": 3}, {"gate": True}, id="three-answers"),
    ],
)
async def test_hanging_up_stops_the_model(body, gates):
    """When the client leaves, every stream of its request is closed."""
    backend = FakeBackend("sql-model", **{name: asyncio.Event() for name in gates})
    gateway, client = make_gateway(sql=backend), HangingUp(body)
    serving = asyncio.create_task(gateway.app(client.scope, client.receive, client.send))
    await until(lambda: backend.open_streams == body.get("n", 1))

    client.hang_up.set()
    await asyncio.wait_for(serving, 2)

    assert (backend.open_streams, backend.closed_early) == (0, body.get("n", 1))
    assert gateway.sample("niche_requests_in_flight") == 0
    assert gateway.sample("niche_errors_total", code="client_disconnected") == 1
    assert gateway.sample("niche_streams_cut_total", model="sql-model") == 0


@pytest.mark.parametrize(
    ("body", "prompt_tokens", "tokens"),
    [
        pytest.param(CHAT, 4, 1, id="one-answer"),
        pytest.param(CHAT | {"n": 3}, 4, 3, id="three-answers"),
        pytest.param(
            {"model": "sql-model", "prompt": ["SELECT 1", "SELECT 2"]}, 4, 2, id="two-prompts"
        ),
    ],
)
async def test_hanging_up_costs_what_was_generated(body, prompt_tokens, tokens):
    """And the prompt, once, by its length where the model counts it at the end."""
    path = "/v1/chat/completions" if "messages" in body else "/v1/completions"
    gateway = make_gateway(sql=FakeBackend("sql-model", gate=asyncio.Event()))
    client = HangingUp(body | {"stream": True}, path)
    serving = asyncio.create_task(gateway.app(client.scope, client.receive, client.send))
    await until(lambda: len(client.sent) == 1 + tokens)

    client.hang_up.set()
    await asyncio.wait_for(serving, 2)

    def counted(name):
        return gateway.sample(f"niche_{name}_total", model="sql-model")

    assert counted("prompt_tokens") == prompt_tokens
    assert counted("completion_tokens") == tokens
    assert counted("cost_currency") == pytest.approx((prompt_tokens + 2 * tokens) / 1e6)
    assert counted("cost_baseline_currency") == pytest.approx(
        (10 * prompt_tokens + 20 * tokens) / 1e6
    )


@pytest.mark.parametrize(("spent", "cost"), [(3, 4 + 2 * 3), (0, None)])
async def test_hanging_up_on_a_whole_answer_costs_what_was_generated(spent, cost):
    """And the prompt by its length; nothing, where nothing was generated yet."""
    backend = FakeBackend("sql-model", gate=asyncio.Event(), spent=spent)
    gateway, client = make_gateway(sql=backend), HangingUp(CHAT)
    serving = asyncio.create_task(gateway.app(client.scope, client.receive, client.send))
    await until(lambda: backend.open_streams == 1)

    client.hang_up.set()
    await asyncio.wait_for(serving, 2)

    counted = gateway.sample("niche_cost_currency_total", model="sql-model")
    assert counted == (None if cost is None else pytest.approx(cost / 1e6))


async def test_what_a_second_model_generated_costs_its_own_price():
    """The first could not answer; the client left while the second did."""
    first = FakeBackend("sql-model", refusal=Unavailable("sql-model", "dead"))
    second = FakeBackend("big", gate=asyncio.Event(), spent=3)
    gateway, client = make_gateway(second, first), HangingUp(CHAT)
    serving = asyncio.create_task(gateway.app(client.scope, client.receive, client.send))
    await until(lambda: second.open_streams == 1)

    client.hang_up.set()
    await asyncio.wait_for(serving, 2)

    assert gateway.sample("niche_completion_tokens_total", model="big") == 3


async def test_a_cancelled_request_stops_the_model():
    """When the server cancels the request, which is how Ray Serve says it, the stream is closed."""
    backend = FakeBackend("sql-model", gate=asyncio.Event())
    gateway, client = make_gateway(sql=backend), HangingUp(CHAT | {"stream": True})
    serving = asyncio.create_task(gateway.app(client.scope, client.receive, client.send))
    await until(lambda: backend.open_streams == 1)

    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving

    assert (backend.open_streams, backend.closed_early) == (0, 1)
    assert gateway.sample("niche_errors_total", code="client_disconnected") == 1


async def test_whose_client_left_may_go_on():
    """The request's task is cancelled no longer: it can still log, and send what nobody reads."""

    async def receive():
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGone):
        await while_connected(receive, Record("r1", 0.0), asyncio.Event().wait)

    await asyncio.sleep(0)
    assert asyncio.current_task().cancelling() == 0


async def test_a_request_that_the_server_cancels_too_stays_cancelled():
    """The server waits for the task that it cancelled."""

    async def receive():
        serving.cancel()
        return {"type": "http.disconnect"}

    serving = asyncio.create_task(while_connected(receive, Record("r1", 0.0), asyncio.Event().wait))

    with pytest.raises(asyncio.CancelledError):
        await serving


async def test_a_disconnect_after_the_end_is_no_failure():
    """Servers say that the client has left also after a complete answer: that is no error."""
    gateway, client = make_gateway(), HangingUp(CHAT)

    async def send(message):
        client.sent.append(message)
        if message["type"] == "http.response.body":
            client.hang_up.set()
            await asyncio.sleep(0.01)

    await gateway.app(client.scope, client.receive, send)

    assert gateway.sample("niche_errors_total", code="client_disconnected") is None


async def test_a_stalled_client_is_let_go():
    """A client that stops reading does not keep its model working past the deadline."""
    gateway = make_gateway(request_timeout_seconds=0.05)
    client, stalled = HangingUp(CHAT | {"stream": True}), asyncio.Event()

    async def send(message):
        if message["type"] == "http.response.body":
            await stalled.wait()

    serving = asyncio.create_task(gateway.app(client.scope, client.receive, send))
    await until(lambda: gateway.sample("niche_completion_tokens_total", model="sql-model"))
    client.hang_up.set()
    await asyncio.wait_for(serving, 2)

    assert gateway.sql.open_streams == 0
    assert gateway.sample("niche_cost_currency_total", model="sql-model") > 0
