"""`gateway.prompt_rooms`: what no model could read is refused before anybody works on it."""

import pytest

from deployments.prompt_room import Measures, PromptRoom
from tests.fakes import FakeBackend
from tests.gateway.stacks import CHAT, make_gateway

WIDE, NARROW = (PromptRoom(tokens, Measures(8, 8)) for tokens in (1000, 100))
TOO_LONG = {"messages": [{"role": "user", "content": "SELECT " * 2000}]}
COUNT = "/v1/messages/count_tokens"
FOR_THE_WIDE = {"messages": [{"role": "user", "content": "SELECT " * 500}]}


def models(big: PromptRoom | None, sql: PromptRoom | None) -> dict[str, FakeBackend]:
    return {"big": FakeBackend("big", room=big), "sql": FakeBackend("sql-model", room=sql)}


@pytest.mark.parametrize("model", ["auto", "big", "sql-model"])
@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/messages",
        "/v1/responses",
        "/v1/completions",
    ],
)
async def test_a_prompt_that_fits_no_model_is_neither_routed_nor_sent(path, model):
    """Whatever the dialect, the error is the one of a prompt that a model finds too long."""
    gateway = make_gateway(**models(WIDE, NARROW))
    text = TOO_LONG["messages"][0]["content"]
    bodies = {"/v1/completions": {"prompt": text}, "/v1/responses": {"input": text}}
    body = {"model": model} | bodies.get(path, TOO_LONG)
    answer = await gateway.post(body | ({"max_tokens": 9} if path == "/v1/messages" else {}), path)

    assert answer.status_code == 400
    assert "too" in answer.text or "context_length_exceeded" in answer.text
    assert (gateway.big.requests, gateway.sql.requests) == ([], [])
    assert gateway.sample("niche_router_batch_size_count") == 0


async def test_what_is_only_counted_needs_no_room():
    """By how much a conversation is too long is what its client wants to know."""
    gateway = make_gateway(**models(WIDE, NARROW))
    counted = await gateway.post({"model": "auto"} | TOO_LONG, COUNT)

    assert counted.json() == {"input_tokens": gateway.sql.prompt_tokens}


async def test_what_is_far_too_long_to_be_encoded_is_not_counted():
    """Or one request would take a core for seconds."""
    gateway = make_gateway(**models(WIDE, NARROW))
    huge = {"model": "auto", "messages": [{"role": "user", "content": "SELECT " * 200_000}]}
    refused = await gateway.post(huge, COUNT)

    assert refused.json()["error"]["code"] == "context_length_exceeded"
    assert (gateway.big.requests, gateway.sql.requests) == ([], [])


async def test_the_error_speaks_of_the_largest_context():
    """A client learns how long a prompt may be."""
    error = (await make_gateway(**models(WIDE, NARROW)).post(CHAT | TOO_LONG)).json()["error"]

    assert (error["code"], error["param"]) == ("context_length_exceeded", "messages")
    assert "1000" in error["message"]


@pytest.mark.parametrize(
    ("big", "sql"),
    [
        pytest.param(WIDE, NARROW, id="the generalist has room"),
        pytest.param(None, NARROW, id="nobody knows"),
        pytest.param(NARROW, WIDE, id="a specialist has room"),
    ],
)
async def test_a_prompt_that_may_fit_a_model_is_asked(big, sql):
    """The models that have no room say so themselves, and the next is tried."""
    gateway = make_gateway(**models(big, sql))

    assert (await gateway.post(CHAT | FOR_THE_WIDE)).status_code == 200
    assert gateway.big.requests or gateway.sql.requests


async def test_a_model_that_is_named_has_to_have_room_itself():
    """Another's room is no help."""
    gateway = make_gateway(**models(WIDE, NARROW))
    refused = await gateway.post({"model": "sql-model"} | FOR_THE_WIDE)

    assert refused.json()["error"]["code"] == "context_length_exceeded"
    assert gateway.sql.requests == []
