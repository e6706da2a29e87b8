"""Embeddings and rankings of a server that speaks the OpenAI API, on the loopback device."""

import json
from typing import Any

import pytest

from deployments.engine import create_engine
from deployments.engines._openai_events import MAX_BYTES
from deployments.engines._openai_inputs import InputsAnswer
from deployments.protocol import InvalidPrompt, Overloaded, PromptTooLong, Unavailable
from deployments.spec import ModelSpec
from tests.deployments.upstream import CONTEXT, Upstream
from tests.model_requests import chat, embedding, rerank

USAGE = {"prompt_tokens": 7, "total_tokens": 7}
ITEM = {"object": "embedding", "index": 0, "embedding": [0.5, 1e-3], "encoding_format": None}
ANSWER: dict[str, Any] = {
    "id": "x",
    "object": "vectors",
    "created": 1,
    "data": [ITEM],
    "model": "org/model",
    "usage": USAGE,
    "fingerprint": "fp",
}


@pytest.fixture
def upstream():
    return Upstream()


async def asked(upstream: Upstream, request=None, kind: Any = "embedding", **options: Any):
    """What the engine makes of the server's answer."""
    async with upstream.listening() as port:
        spec = ModelSpec(
            name="tiny",
            model="org/model",
            kind=kind,
            engine="openai",
            engine_options={"base_url": f"http://127.0.0.1:{port}/v1"} | options,
        )
        engine = create_engine([spec], CONTEXT)
        try:
            return await engine.complete(request or embedding(["a", "b"], dimensions=2, user=None))
        finally:
            await engine.stop()


async def test_a_request_is_forwarded_and_its_answer_comes_back(upstream):
    """With the server's name for the model there, and ours here; everything else is as it was."""
    upstream.answers(ANSWER)
    chunk = await asked(upstream, extra_body={"input_type": "query"})

    assert upstream.paths == ["/v1/embeddings"]
    assert upstream.bodies == [
        {
            "input": ["a", "b"],
            "dimensions": 2,
            "user": None,
            "model": "org/model",
            "input_type": "query",
        }
    ]
    answer = json.loads(chunk.data)
    assert (answer["object"], answer["model"], answer["fingerprint"]) == ("list", "tiny", "fp")
    assert answer["data"] == [ITEM]
    assert answer["usage"].items() >= USAGE.items()
    assert not {"id", "created"} & answer.keys()
    assert (chunk.prompt_tokens, chunk.usage.prompt_tokens, chunk.tokens) == (7, 7, 0)
    assert chunk.usage.engine_seconds > 0


async def test_a_server_that_does_not_count_costs_nothing(upstream):
    """The answer has the keys that clients read."""
    upstream.answers(ANSWER | {"usage": None})
    chunk = await asked(upstream)

    assert (
        json.loads(chunk.data)["usage"].items() >= {"prompt_tokens": 0, "total_tokens": 0}.items()
    )
    assert (chunk.prompt_tokens, chunk.usage.prompt_tokens) == (None, 0)


@pytest.mark.parametrize(
    ("body", "status", "kind", "parameter"),
    [
        pytest.param(
            {"error": {"message": "maximum context length is 8 tokens"}},
            400,
            PromptTooLong,
            "input",
            id="too long",
        ),
        pytest.param(
            {"error": {"message": "no", "param": "dimensions"}},
            400,
            InvalidPrompt,
            "dimensions",
            id="a parameter by name",
        ),
        pytest.param({"error": "no"}, 422, InvalidPrompt, "input", id="no name"),
        pytest.param({"error": "busy"}, 429, Overloaded, None, id="too many"),
        pytest.param(
            {"error": {"message": "no", "code": 400}}, 200, InvalidPrompt, "input", id="200"
        ),
        pytest.param(ANSWER | {"data": []}, 200, Unavailable, None, id="no vectors"),
        pytest.param({"choices": []}, 200, Unavailable, None, id="another answer"),
        pytest.param("<html>", 200, Unavailable, None, id="no JSON"),
        pytest.param("", 200, Unavailable, None, id="nothing"),
    ],
)
async def test_the_servers_errors_are_translated(upstream, body, status, kind, parameter):
    """The input is to blame where the server names no parameter."""
    upstream.answers(body, status)
    with pytest.raises(kind) as raised:
        await asked(upstream)

    assert type(raised.value) is kind
    assert getattr(raised.value, "parameter", None) == parameter


def test_an_answer_is_kept_up_to_a_length():
    """A server that sends without an end is stopped."""
    answer = InputsAnswer(embedding())
    answer.feed(b"x" * MAX_BYTES)

    with pytest.raises(Unavailable):
        answer.feed(b"x")


async def test_a_model_that_embeds_is_asked_for_nothing_else(upstream):
    """The server hears nothing of it."""
    with pytest.raises(InvalidPrompt) as refused:
        await asked(upstream, chat())

    assert refused.value.parameter == "model"
    assert upstream.bodies == []


RESULTS = [
    {"index": 1, "relevance_score": 0.9, "document": {"text": "b", "multi_modal": None}},
    {"index": 0, "relevance_score": 0.1},
]


async def test_a_ranking_is_forwarded_and_its_answer_comes_back(upstream):
    """With the request's identity; the results are as they were."""
    upstream.answers({"id": "x", "model": "org/model", "results": RESULTS, "usage": USAGE})
    chunk = await asked(upstream, rerank(top_n=2), "reranking")

    assert upstream.paths == ["/v1/rerank"]
    assert upstream.bodies == [
        {"query": "hello", "documents": ["a", "b"], "top_n": 2, "model": "org/model"}
    ]
    answer = json.loads(chunk.data)
    assert (answer["id"], answer["object"], answer["model"]) == ("rerank-1", "list", "tiny")
    assert answer["results"] == RESULTS
    assert (chunk.prompt_tokens, chunk.usage.prompt_tokens, chunk.tokens) == (7, 7, 0)


async def test_a_total_is_that_of_the_prompt(upstream):
    """Some servers count no more, as nothing is generated."""
    upstream.answers({"results": RESULTS, "usage": {"total_tokens": 7}})
    chunk = await asked(upstream, rerank(), "reranking")

    assert json.loads(chunk.data)["usage"].items() >= USAGE.items()
    assert chunk.usage.prompt_tokens == 7


@pytest.mark.parametrize(
    ("body", "status", "kind", "parameter"),
    [
        pytest.param({"error": "no"}, 400, InvalidPrompt, "documents", id="no name"),
        pytest.param({"results": []}, 200, Unavailable, None, id="no results"),
        pytest.param(ANSWER, 200, Unavailable, None, id="vectors"),
    ],
)
async def test_errors_of_a_ranking_are_translated(upstream, body, status, kind, parameter):
    """The documents are to blame where the server names no parameter."""
    upstream.answers(body, status)
    with pytest.raises(kind) as raised:
        await asked(upstream, rerank(), "reranking")

    assert getattr(raised.value, "parameter", None) == parameter
