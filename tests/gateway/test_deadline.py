"""The time limits of a request: the operator's, and what its client says."""

import asyncio

import pytest

from gateway.deadline import TimeLimits, time_limits
from gateway.errors import InvalidValue
from tests.fakes import FakeBackend
from tests.gateway.stacks import CHAT, HangingUp, events_of, make_gateway

SHORT = {"x-request-timeout": "0.02"}


def limits(stream: bool, **headers: str) -> TimeLimits:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return time_limits({"headers": raw}, 600.0, stream=stream)


@pytest.mark.parametrize(
    ("headers", "whole", "stream"),
    [
        pytest.param({}, (600, 600), (600, 600), id="the operator's"),
        pytest.param({"x_request_timeout": "30"}, (30, 30), (30, 30), id="the client's"),
        pytest.param({"x_request_timeout": "0.5"}, (0.5, 0.5), (0.5, 0.5), id="a part of a second"),
        pytest.param({"x_request_timeout": "9e9"}, (600, 600), (600, 600), id="no more than that"),
        pytest.param({"x_stainless_read_timeout": "20"}, (20, 20), (600, 20), id="OpenAI's client"),
        pytest.param({"x_stainless_timeout": "20"}, (20, 20), (600, 20), id="Anthropic's client"),
        pytest.param({"x_stainless_timeout": "NOT_GIVEN"}, (600, 600), (600, 600), id="no number"),
        pytest.param({"x_stainless_timeout": "0"}, (600, 600), (600, 600), id="no time"),
        pytest.param(
            {"x_request_timeout": "40", "x_stainless_timeout": "20"}, (20, 20), (40, 20), id="both"
        ),
    ],
)
def test_whose_limits_hold(headers, whole, stream):
    """Seconds until the last byte, and until the first of a stream."""
    assert limits(False, **headers) == TimeLimits(*whole)
    assert limits(True, **headers) == TimeLimits(*stream)


@pytest.mark.parametrize(
    "value",
    ["", "soon", "0", "-3", "nan", "inf", "30s", "1_0", pytest.param("\u00b2", id="a digit")],
)
def test_what_is_no_time_is_refused(value):
    """The client would think that it holds."""
    with pytest.raises(InvalidValue, match="x-request-timeout"):
        limits(False, x_request_timeout=value)


async def test_a_bad_limit_is_a_400():
    """Before any model is asked."""
    gateway = make_gateway()

    response = await gateway.post(CHAT, **{"x-request-timeout": "soon"})

    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_value")
    assert gateway.sql.requests == []


async def test_a_whole_answer_ends_at_the_clients_limit():
    """The model's work ends as well."""
    slow = FakeBackend("big", gate=asyncio.Event())

    response = await make_gateway(slow).post(CHAT | {"model": "big"}, **SHORT)

    assert (response.status_code, slow.open_streams) == (504, 0)


async def test_a_stream_ends_at_the_clients_limit():
    """With an error event."""
    slow = FakeBackend("big", gate=asyncio.Event())
    body = CHAT | {"model": "big", "stream": True}

    *_, last = events_of(await make_gateway(slow).post(body, **SHORT))

    assert (last["error"]["code"], slow.open_streams) == ("deadline_exceeded", 0)


async def test_a_stream_that_does_not_begin_ends_when_its_client_leaves():
    """OpenAI's client waits so long for a byte."""
    slow = FakeBackend("big", first_gate=asyncio.Event())
    body = CHAT | {"model": "big", "stream": True}

    response = await make_gateway(slow).post(body, **{"x-stainless-read-timeout": "0.02"})

    assert (response.status_code, slow.open_streams) == (504, 0)


class Slow(HangingUp):
    """A client whose body takes 20 s."""

    def __init__(self, gateway, body):
        super().__init__(body)
        self._clock = gateway.clock

    async def receive(self):
        message = await super().receive()
        if message["type"] == "http.request":
            self._clock.advance(20)
        return message


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_time_for_the_body_is_the_operators(stream):
    """What is before the gateway counts from the first byte; a model is told what is left."""
    gateway = make_gateway(request_timeout_seconds=30)
    client = Slow(gateway, CHAT | {"stream": stream})

    await gateway.app(client.scope, client.receive, client.send)

    assert 9 < gateway.sql.requests[0].deadline_seconds <= 10


class _Slow:
    """A scorer that takes longer than anybody waits."""

    async def score(self, _query):
        await asyncio.sleep(30)

    async def health(self):
        pass


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/v1/chat/completions", CHAT, id="whole"),
        pytest.param("/v1/chat/completions", CHAT | {"stream": True}, id="stream"),
        pytest.param("/v1/messages/count_tokens", CHAT, id="count"),
    ],
)
async def test_the_time_to_route_a_request_counts(path, body):
    """A stream that could only begin too late does not begin."""
    gateway = make_gateway(scorer=_Slow())

    response = await gateway.post(body, path, **SHORT)

    assert (response.status_code, gateway.sql.requests, gateway.big.requests) == (504, [], [])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_body_that_took_all_the_time_has_no_answer(stream):
    """It would be cut off before the gateway."""
    slow = FakeBackend("big", first_gate=asyncio.Event())
    gateway = make_gateway(slow, request_timeout_seconds=19)
    client = Slow(gateway, CHAT | {"model": "big", "stream": stream})

    await gateway.app(client.scope, client.receive, client.send)

    assert (client.sent[0]["status"], slow.open_streams) == (504, 0)


async def test_the_clients_limit_counts_from_its_last_byte():
    """So long it waits for an answer."""
    gateway = make_gateway(request_timeout_seconds=30)
    client = Slow(gateway, CHAT)
    client.scope["headers"].append((b"x-stainless-read-timeout", b"8"))

    await gateway.app(client.scope, client.receive, client.send)

    assert 7 < gateway.sql.requests[0].deadline_seconds <= 8


@pytest.mark.parametrize(
    ("body", "headers", "least", "most"),
    [
        pytest.param({}, {}, 10, 10, id="the operator's"),
        pytest.param({}, {"x-request-timeout": "4"}, 3, 4, id="no longer than the deadline"),
        pytest.param(
            {"stream": True},
            {"x-stainless-read-timeout": "4"},
            *(3, 4),
            id="no longer than a client waits for a stream",
        ),
        pytest.param({"service_tier": "flex"}, {}, 0, 0, id="work that is in no hurry"),
        pytest.param({"service_tier": "auto"}, {}, 10, 10, id="other tiers"),
    ],
)
async def test_how_long_it_may_wait(body, headers, least, most):
    """The model is told it with the request."""
    gateway = make_gateway()

    await gateway.post(CHAT | body, **headers)

    assert least <= gateway.sql.requests[0].max_wait_seconds <= most
