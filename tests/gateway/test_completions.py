"""`gateway.completions`: requests through the whole edge, over fake models."""

import asyncio
import json
import threading

import pytest

from deployments.protocol import DeadlineExceeded, InvalidPrompt, Overloaded, Unavailable
from tests.fakes import FakeBackend, FakeClassifier
from tests.gateway.stacks import CHAT, events_of, make_gateway

STREAM = CHAT | {"stream": True}
COSTS = {
    "cost",
    "baseline_cost",
    "attributed_cost",
    "currency",
    "engine_seconds",
    "latency_seconds",
}


async def test_auto_asks_the_specialist():
    """A routed request is answered by its specialist, and the headers say why."""
    gateway = make_gateway()

    response = await gateway.post(CHAT)

    assert response.json()["choices"][0]["message"]["content"] == "Hello, world"
    assert {k: v for k, v in response.headers.items() if k.startswith("x-niche")} == {
        "x-niche-domain": "sql",
        "x-niche-model": "sql-model",
        "x-niche-confidence": "0.9000",
        "x-niche-reason": "routed",
        "x-niche-cost": "0.000013000",
    }


async def test_the_body_tells_the_cost():
    """A whole answer carries its costs, the baseline's and the latency."""
    niche = (await make_gateway().post(CHAT)).json()["niche"]

    assert (niche["cost"], niche["baseline_cost"], niche["currency"]) == (
        pytest.approx(13e-6),
        pytest.approx(130e-6),
        "USD",
    )


async def test_the_body_tells_what_the_engine_did():
    """Its seconds, and what they cost at the machine's price."""
    sql = FakeBackend("sql-model", engine_seconds=2.0)

    niche = (await make_gateway(sql=sql).post(CHAT)).json()["niche"]

    assert niche["engine_seconds"] == 2.0
    assert niche["attributed_cost"] == pytest.approx(2.0 * 7.2 / 3600)


async def test_a_doubtful_request_goes_to_the_generalist():
    """Without a specialist's domain the generalist answers."""
    response = await make_gateway(classifier=FakeClassifier({"DROP": "sql"})).post(CHAT)

    assert (response.json()["model"], response.headers["x-niche-reason"]) == ("big", "general")


async def test_a_named_model_is_asked_itself():
    """A configured model's name goes straight there."""
    response = await make_gateway().post(CHAT | {"model": "big"})

    assert (response.json()["model"], response.headers["x-niche-reason"]) == ("big", "requested")


async def test_a_named_model_is_not_replaced():
    """A named model that is overloaded is a 429 with Retry-After, not another model's answer."""
    gateway = make_gateway(sql=FakeBackend("sql-model", refusal=Overloaded("sql-model", 9, 3.0)))

    response = await gateway.post(CHAT | {"model": "sql-model"})

    assert (response.status_code, response.headers["retry-after"]) == (429, "3")
    assert gateway.big.requests == []


async def test_an_overloaded_specialist_is_replaced():
    """A routed request falls over to the generalist, and the reason says so."""
    gateway = make_gateway(sql=FakeBackend("sql-model", refusal=Overloaded("sql-model", 9, 3.0)))

    response = await gateway.post(CHAT)

    assert (response.json()["model"], response.headers["x-niche-reason"]) == ("big", "overloaded")
    labels = {"model": "sql-model", "reason": "overloaded"}
    assert gateway.sample("niche_dispatch_fallbacks_total", **labels) == 1


async def test_a_failing_specialist_is_left_alone():
    """After three failures in a row the specialist is not asked, and the reason says so."""
    gateway = make_gateway(sql=FakeBackend("sql-model", refusal=Unavailable("sql-model", "gone")))

    responses = [await gateway.post(CHAT) for _ in range(4)]

    assert len(gateway.sql.requests) == 3
    assert {response.headers["x-niche-reason"] for response in responses} == {"unhealthy"}


async def test_the_router_has_one_thread_of_its_own():
    """All decisions are computed on one thread that is not the event loop's."""
    threads = set()

    class Watched(FakeClassifier):
        def scores(self, queries):
            threads.add(threading.get_ident())
            return super().scores(queries)

    gateway = make_gateway(classifier=Watched({"SELECT": "sql"}))
    await asyncio.gather(*(gateway.post(CHAT) for _ in range(8)))

    assert len(threads - {threading.get_ident()}) == len(threads) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidPrompt("messages", "too long"), 400, "invalid_prompt"),
        (Unavailable("big", "gone"), 503, "model_unavailable"),
        (DeadlineExceeded("big", 1.0), 504, "deadline_exceeded"),
        (RuntimeError("secret"), 500, "internal_error"),
    ],
)
async def test_early_failures_keep_their_status(stream, error, status, code):
    """What fails before the first chunk has its HTTP status, streamed or not."""
    gateway = make_gateway(FakeBackend("big", refusal=error))

    response = await gateway.post(CHAT | {"model": "big", "stream": stream})

    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert "secret" not in response.text


async def test_a_stream_carries_niche_first_and_last():
    """The first event says who answers, the last one what it cost, and [DONE] ends it."""
    *events, done = events_of(await make_gateway().post(STREAM))

    assert done == "[DONE]"
    assert [set(event.get("niche", {})) & COSTS for event in events] == [set(), set(), COSTS]
    assert events[0]["niche"]["reason"] == "routed"
    assert "niche" not in events[1]


async def test_a_stream_of_one_chunk_has_one_niche():
    """When the first event is also the last, it carries everything."""
    gateway = make_gateway(sql=FakeBackend("sql-model", pieces=("all",)))

    event, _ = events_of(await gateway.post(STREAM))

    assert set(event["niche"]) >= COSTS | {"domain", "request_id"}
    assert event["choices"][0]["delta"] == {"role": "assistant", "content": "all"}


async def test_include_usage_adds_an_event():
    """With include_usage the last event has the usage and no choice; the others have it null."""
    body = STREAM | {"stream_options": {"include_usage": True}}

    *events, last, _ = events_of(await make_gateway().post(body))

    assert [event["usage"] for event in events] == [None, None, None]
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 10)
    assert not any(set(event.get("niche", {})) & COSTS for event in events)
    assert set(last["niche"]) >= COSTS


async def test_without_include_usage_there_is_none():
    """Nobody who did not ask gets a usage in a stream."""
    *events, _ = events_of(await make_gateway().post(STREAM))

    assert all("usage" not in event for event in events)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"failure": Unavailable("sql-model", "host-17 died")}, "model_unavailable"),
        ({"failure": RuntimeError("host-17")}, "internal_error"),
        ({"cut": True}, "model_unavailable"),
    ],
)
async def test_late_failures_are_events(fault, code):
    """What fails in mid-stream is an event with an error, and no [DONE] follows."""
    gateway = make_gateway(sql=FakeBackend("sql-model", **fault))

    response = await gateway.post(STREAM)
    *_, last = events_of(response)

    assert (response.status_code, last["error"]["code"]) == (200, code)
    assert "host-17" not in response.text


async def test_a_late_failure_of_a_whole_answer_has_its_status():
    """Nothing was sent yet: a named model that dies while it answers is a 503."""
    gateway = make_gateway(sql=FakeBackend("sql-model", failure=Unavailable("sql-model", "died")))

    assert (await gateway.post(CHAT | {"model": "sql-model"})).status_code == 503


async def test_a_late_failure_of_a_whole_answer_is_made_good():
    """A routed request gets the whole answer of the generalist instead."""
    gateway = make_gateway(sql=FakeBackend("sql-model", failure=Unavailable("sql-model", "died")))

    response = await gateway.post(CHAT)

    assert (response.json()["model"], response.headers["x-niche-reason"]) == ("big", "unhealthy")


async def test_n_answers_come_from_one_decision():
    """n answers are one request to one model."""
    gateway = make_gateway()

    response = await gateway.post(CHAT | {"n": 3, "seed": 5})

    assert [choice["index"] for choice in response.json()["choices"]] == [0, 1, 2]
    [asked] = gateway.sql.requests
    assert asked.request_id == response.headers["x-request-id"]
    assert json.loads(asked.body)["n"] == 3
    assert response.json()["usage"]["prompt_tokens"] == 7


async def test_n_streams_are_merged_by_index():
    """Streamed, every choice is whole under its index."""
    texts = ["", ""]

    for event in events_of(await make_gateway().post(STREAM | {"n": 2}))[:-1]:
        for choice in event["choices"]:
            texts[choice["index"]] += choice["delta"].get("content", "")

    assert texts == ["Hello, world"] * 2


async def test_when_one_of_n_cannot_begin_the_others_are_closed():
    """A sibling's refusal fails the request with its status and leaves no stream open."""

    class Second(FakeBackend):
        def generate(self, prompt):
            if prompt.request_id.endswith("-1"):
                self.refusal = Overloaded(self.name, 1, 1.0)
            return super().generate(prompt)

    gateway = make_gateway(sql=Second("sql-model", gate=asyncio.Event()))

    response = await gateway.post(STREAM | {"n": 2, "model": "sql-model"})

    assert (response.status_code, gateway.sql.open_streams) == (429, 0)


async def test_logprobs_of_a_chat():
    """Asked for, log-probabilities come with bytes and alternatives."""
    response = await make_gateway().post(CHAT | {"logprobs": True, "top_logprobs": 1})

    assert response.json()["choices"][0]["logprobs"]["content"][0] == {
        "token": "Hello",
        "logprob": -0.5,
        "bytes": list(b"Hello"),
        "top_logprobs": [{"token": "Hello0", "logprob": -1.0, "bytes": list(b"Hello0")}],
    }


async def test_text_completion_of_several_prompts():
    """A list of prompts has its choices in the order of prompts."""
    body = {"model": "big", "prompt": ["SELECT", "b"], "n": 2, "logprobs": 1}

    answer = (await make_gateway().post(body, "/v1/completions")).json()

    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    assert answer["choices"][3]["logprobs"]["text_offset"] == [0, 5, 7]
    assert answer["usage"]["prompt_tokens"] == 14


async def test_text_completion_streams():
    """A streamed text completion is made of text_completion events."""
    body = {"model": "big", "prompt": "a", "stream": True}

    *events, done = events_of(await make_gateway().post(body, "/v1/completions"))

    assert "".join(event["choices"][0]["text"] for event in events) == "Hello, world"
    assert ({event["object"] for event in events}, done) == ({"text_completion"}, "[DONE]")


async def test_no_first_token_in_time_is_a_504():
    """A model that does not begin in time is given up, and its stream closed."""
    slow = FakeBackend("big", first_gate=asyncio.Event())
    gateway = make_gateway(slow, first_token_timeout_seconds=0.02)

    response = await gateway.post(CHAT | {"model": "big", "stream": True})

    assert (response.status_code, slow.open_streams) == (504, 0)


async def test_a_whole_answer_out_of_time_is_a_504():
    """The total deadline bounds an answer that has begun."""
    slow = FakeBackend("big", gate=asyncio.Event())
    gateway = make_gateway(slow, request_timeout_seconds=0.02)

    response = await gateway.post(CHAT | {"model": "big"})

    assert (response.status_code, slow.open_streams) == (504, 0)


async def test_a_stream_out_of_time_ends_in_an_error():
    """A stream that exceeds the total deadline ends with an error event."""
    gateway = make_gateway(FakeBackend("big", gate=asyncio.Event()), request_timeout_seconds=0.02)

    *_, last = events_of(await gateway.post(STREAM | {"model": "big"}))

    assert last["error"]["code"] == "deadline_exceeded"


async def test_the_deadline_travels_with_the_prompt():
    """The model is told how much time is left."""
    gateway = make_gateway(request_timeout_seconds=30)

    await gateway.post(CHAT)

    assert 29 < gateway.sql.requests[0].deadline_seconds <= 30
