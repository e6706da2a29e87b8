"""`POST /v1/embeddings`: requests through the whole edge, over models of the fake engine."""

import asyncio
import json
import logging

import pytest

from gateway.config import DecisionLogSection
from tests.gateway.evidence.stacks import claims, comparing, tell
from tests.gateway.stacks import CHAT, EMBEDDER, HangingUp, make_gateway, until

PATH = "/v1/embeddings"
ASKED = {"model": "vectors", "input": ["a word", "more"]}


def gateway(**settings):
    return make_gateway(embeddings=[EMBEDDER], **settings)


async def test_each_input_has_a_vector():
    """OpenAI's answer, with the gateway's own key and headers."""
    response = await gateway().post(ASKED, PATH)
    answer = response.json()

    assert (answer["object"], answer["model"]) == ("list", "vectors")
    assert [item["index"] for item in answer["data"]] == [0, 1]
    assert {len(item["embedding"]) for item in answer["data"]} == {8}
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    facts = ("domain", "model", "reason", "confidence", "cost")
    assert [response.headers[f"x-niche-{name}"] for name in facts] == [
        *("none", "vectors", "requested", "1.0000", "0.000009000"),
    ]
    assert answer["niche"]["request_id"] == response.headers["x-request-id"]


async def test_vectors_save_nothing():
    """No other model could have given them, so the baseline is what they cost."""
    niche = (await gateway().post(ASKED, PATH)).json()["niche"]

    assert niche["cost"] == niche["baseline_cost"] == pytest.approx(9e-6)


@pytest.mark.parametrize("model", ["auto", "big", "sql-model"])
async def test_a_model_that_writes_gives_no_vectors(model):
    """Neither does the router choose one; the error names the parameter and who could."""
    response = await gateway().post(ASKED | {"model": model}, PATH)
    error = response.json()["error"]

    assert (response.status_code, error["code"], error["param"]) == (400, "invalid_value", "model")
    assert "vectors" in error["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", CHAT | {"model": "vectors"}),
        ("/v1/completions", {"model": "vectors", "prompt": "a"}),
    ],
)
async def test_a_model_that_embeds_writes_nothing(path, body):
    """The error names the parameter and who could."""
    response = await gateway().post(body, path)
    error = response.json()["error"]

    assert (response.status_code, error["code"], error["param"]) == (400, "invalid_value", "model")
    assert {"auto", "big", "sql-model"} <= set(error["message"].strip(".").replace(",", "").split())


@pytest.mark.parametrize("model", ["nope", "vectors"])
async def test_an_unknown_model_is_not_found(model):
    """Where none is configured that embeds, none is."""
    response = await make_gateway().post(ASKED | {"model": model}, PATH)

    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")


async def test_what_the_engine_refuses_is_a_400_by_name():
    """Such as dimensions, which not every engine serves."""
    response = await gateway().post(ASKED | {"dimensions": 2}, PATH)
    error = response.json()["error"]

    assert (response.status_code, error["code"], error["param"]) == (
        *(400, "invalid_prompt", "dimensions"),
    )


async def test_a_full_model_is_a_429():
    """With the seconds to wait, as for an answer."""
    full = EMBEDDER.model_copy(update={"engine_options": {"overloaded": True}})
    response = await make_gateway(embeddings=[full]).post(ASKED, PATH)

    assert (response.status_code, response.json()["error"]["code"]) == (429, "model_overloaded")
    assert response.headers["retry-after"]


async def test_a_key_is_needed_where_answers_need_one(tmp_path):
    """The same keys."""
    keys = tmp_path / "keys"
    keys.write_text("secret")
    asked = gateway(api_keys_file=str(keys))

    assert (await asked.post(ASKED, PATH)).status_code == 401
    authorized = await asked.post(ASKED, PATH, authorization="Bearer secret")
    assert authorized.status_code == 200


async def test_requests_are_counted_and_logged(caplog):
    """As those for answers are; their text is in no line."""
    asked = gateway()
    with caplog.at_level(logging.INFO, "gateway.access"):
        await asked.post(ASKED | {"user": "u"}, PATH)

    labels = {"domain": "none", "model": "vectors", "reason": "requested", "status_class": "2xx"}
    assert asked.sample("niche_requests_total", **labels) == 1
    assert asked.sample("niche_prompt_tokens_total", model="vectors") == 3
    assert asked.sample("niche_completion_tokens_total", model="vectors") == 0
    assert asked.sample("niche_cost_currency_total", model="vectors") == pytest.approx(9e-6)
    assert asked.sample("niche_requests_in_flight") == 0
    [line] = [record.fields for record in caplog.records if record.name == "gateway.access"]
    assert (line["path"], line["model"], line["prompt_tokens"], line["user"]) == (
        *(PATH, "vectors", 3, "u"),
    )


async def test_there_is_no_decision_to_log(tmp_path):
    """What the router learns from has decisions alone."""
    path = tmp_path / "decisions.jsonl"
    asked = gateway(decision_log=DecisionLogSection(path=str(path)))
    async with asked.serving():
        await asked.post(ASKED, PATH)
        await asked.post(CHAT)

    assert [json.loads(line)["model"] for line in path.read_text().splitlines()] == ["sql-model"]


async def test_there_is_nothing_to_compare(tmp_path):
    """No feedback is awaited, and no other model is asked."""
    asked = comparing(tmp_path, embeddings=[EMBEDDER])
    async with asked.serving():
        await asked.post(ASKED, PATH, **{"x-client-request-id": "r1"})
        reply = await tell(asked, "r1", score=1)

    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "answer_not_found")
    assert (asked.big.requests, claims(tmp_path)) == ([], [])


async def test_a_client_that_hangs_up_is_noticed():
    """Its request ends, and its slot is free."""
    slow = EMBEDDER.model_copy(update={"engine_options": {"first_token_seconds": 60}})
    asked, client = make_gateway(embeddings=[slow]), HangingUp(ASKED, PATH)
    task = asyncio.create_task(asked.app(client.scope, client.receive, client.send))
    await until(lambda: asked.sample("niche_requests_queued", model="vectors"))

    client.hang_up.set()
    await asyncio.wait_for(task, 2)

    assert asked.sample("niche_requests_in_flight") == 0
    assert asked.sample("niche_errors_total", code="client_disconnected") == 1


async def test_models_that_embed_are_listed():
    """With their role, and no domain."""
    listed = (await gateway().get("/v1/models")).json()["data"]

    assert [model["id"] for model in listed] == ["auto", "big", "sql-model", "vectors"]
    assert listed[-1]["niche"] == {
        "role": "embedding",
        "domain": None,
        "engine": "fake",
        "pool": None,
        "capabilities": [],
        "available": True,
        "unavailable_reason": None,
        "max_context_tokens": None,
        "functions": [],
    }


async def test_a_model_that_embeds_is_part_of_readiness():
    """The gateway is not ready while it is not."""
    broken = EMBEDDER.model_copy(update={"engine_options": {"unavailable_after": 0}})
    response = await make_gateway(embeddings=[broken]).get("/readyz?all")

    assert (response.status_code, list(response.json()["models"])) == (503, ["vectors"])
