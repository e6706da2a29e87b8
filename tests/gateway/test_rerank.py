"""`POST /v1/rerank`: requests through the whole edge, over models of the fake engine."""

import json

import pytest

from gateway.config import DecisionLogSection
from tests.gateway.evidence.stacks import claims, comparing
from tests.gateway.stacks import CHAT, EMBEDDER, RANKER, make_gateway

PATH = "/v1/rerank"
ASKED = {"model": "ranker", "query": "red fox", "documents": ["a dog", "a red fox", "a red car"]}


def gateway(**settings):
    return make_gateway(embeddings=[EMBEDDER], rerankers=[RANKER], **settings)


async def test_the_most_relevant_document_comes_first():
    """With the gateway's own key and headers."""
    body = ASKED | {"top_n": 2, "return_documents": True}
    response = await gateway().post(body, PATH)
    answer = response.json()

    assert answer["results"] == [
        {"index": 1, "relevance_score": 1.0, "document": {"text": "a red fox"}},
        {"index": 2, "relevance_score": 0.5, "document": {"text": "a red car"}},
    ]
    assert (answer["object"], answer["model"]) == ("list", "ranker")
    assert answer["id"].startswith("rerank-")
    assert answer["usage"] == {"prompt_tokens": 14, "total_tokens": 14}
    facts = ("domain", "model", "reason")
    assert [response.headers[f"x-niche-{name}"] for name in facts] == [
        *("none", "ranker", "requested")
    ]
    assert answer["niche"]["cost"] == answer["niche"]["baseline_cost"] == pytest.approx(42e-6)


@pytest.mark.parametrize("model", ["auto", "big", "vectors"])
async def test_a_model_of_another_kind_ranks_nothing(model):
    """Neither does the router choose one; the error names the parameter and who could."""
    response = await gateway().post(ASKED | {"model": model}, PATH)
    error = response.json()["error"]

    assert (response.status_code, error["code"], error["param"]) == (400, "invalid_value", "model")
    assert "ranker" in error["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", CHAT | {"model": "ranker"}),
        ("/v1/embeddings", {"model": "ranker", "input": "a"}),
    ],
)
async def test_a_model_that_ranks_does_nothing_else(path, body):
    """The error names the parameter."""
    response = await gateway().post(body, path)
    error = response.json()["error"]

    assert (response.status_code, error["code"], error["param"]) == (400, "invalid_value", "model")


async def test_an_unknown_model_is_not_found():
    """Where none is configured that ranks, none is."""
    response = await make_gateway().post(ASKED, PATH)

    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")


async def test_there_is_no_decision_to_log_nor_to_compare(tmp_path):
    """Requests are counted all the same."""
    log = tmp_path / "decisions.jsonl"
    asked = comparing(tmp_path, rerankers=[RANKER], decision_log=DecisionLogSection(path=str(log)))
    async with asked.serving():
        await asked.post(ASKED, PATH)
        await asked.post(CHAT | {"model": "big"})

    assert [json.loads(line)["model"] for line in log.read_text().splitlines()] == ["big"]
    assert claims(tmp_path) == []
    assert asked.sample("niche_prompt_tokens_total", model="ranker") == 14


async def test_models_that_rank_are_listed():
    """With their role, and no domain."""
    listed = (await gateway().get("/v1/models")).json()["data"]

    assert [model["id"] for model in listed] == ["auto", "big", "sql-model", "vectors", "ranker"]
    assert listed[-1]["niche"].items() >= {"role": "reranking", "domain": None}.items()
