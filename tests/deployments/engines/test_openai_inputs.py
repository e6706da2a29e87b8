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
    "data": [ITEM, ITEM | {"index": 1}],
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
    assert answer["data"] == ANSWER["data"]
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


MOST = len(embedding(["a", "b"]).body) + 8192


def vectors(*values):
    return {"data": [{"index": at, "embedding": value} for at, value in enumerate(values)]}


@pytest.mark.parametrize(
    "body",
    [
        vectors([1.0, 2.0]),
        vectors([1.0, 2.0], [1.0, 2.0], [1.0, 2.0]),
        vectors([1.0, 2.0], [1.0]),
        vectors([], []),
        vectors([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
        vectors([1.0, None], [1.0, 2.0]),
        vectors([1.0, "2.0"], [1.0, 2.0]),
        '{"data": [{"index": 0, "embedding": [NaN, 1]}, {"index": 1, "embedding": [1, 1]}]}',
        '{"data": [{"index": 0, "embedding": [1e999, 1]}, {"index": 1, "embedding": [1, 1]}]}',
        vectors("AADAfwAAgD8=", "AACAPwAAgD8="),
        vectors("AACAPwAA", "AACAPwAAgD8="),
        vectors("no base64", "AACAPwAAgD8="),
        {"data": [{"index": 0, "embedding": [1.0, 2.0]}] * 2},
        {"data": [{"index": at, "embedding": [1.0, 2.0]} for at in (1, 2)]},
        {"data": [{"index": at, "embedding": [1.0, 2.0]} for at in (-1, 0)]},
        {"data": [{"index": at} for at in (0, 1)]},
        {"data": {"0": [1.0, 2.0]}},
    ],
    ids=[
        *("too few", "too many", "lengths", "empty", "dimensions", "null", "text"),
        *("NaN", "infinite", "NaN in base64", "half a number", "no base64"),
        *("an index twice", "an index too high", "a negative index", "no vector", "no list"),
    ],
)
async def test_vectors_that_do_not_fit_the_request_are_no_answer(upstream, body):
    """Of each of two inputs there is one, of two finite numbers."""
    upstream.answers(body)
    with pytest.raises(Unavailable):
        await asked(upstream)


@pytest.mark.parametrize(
    ("given", "body"),
    [
        ("a", vectors([1.0])),
        ([1, 2, 3], vectors([1.0])),
        ([[1, 2], [3]], vectors([1], [2])),
        (["a"], {"data": [{"embedding": [1.0]}]}),
        (["a", "b"], {"data": vectors([1.0], [2.0])["data"][::-1]}),
    ],
    ids=["a text", "tokens", "lists of tokens", "no index", "another order"],
)
async def test_vectors_that_fit_the_request_are_an_answer(upstream, given, body):
    """In the order and the shape in which they came."""
    upstream.answers(body)
    chunk = await asked(upstream, embedding(given))

    assert json.loads(chunk.data)["data"] == body["data"]


NUMBERS, TEXTS = vectors([1.0, -0.5], [0.0, 1.0]), vectors("AACAPwAAAL8=", "AAAAAAAAgD8=")


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ({"encoding_format": "base64"}, TEXTS),
        ({"encoding_format": "float"}, NUMBERS),
        ({}, NUMBERS),
    ],
    ids=["base64", "float", "nothing"],
)
@pytest.mark.parametrize("body", [NUMBERS, TEXTS], ids=["numbers", "texts"])
async def test_vectors_are_written_as_was_asked(upstream, body, form, written):
    """Some servers do not know the format, and a client reads no other."""
    upstream.answers({"data": [of | {"object": "embedding"} for of in body["data"]]})
    chunk = await asked(upstream, embedding(["a", "b"], **form))

    assert json.loads(chunk.data)["data"] == [
        of | {"object": "embedding"} for of in written["data"]
    ]


async def test_a_number_without_room_in_base64_is_no_answer(upstream):
    """It has the range of 32 bits alone."""
    upstream.answers(vectors([1e300]))
    with pytest.raises(Unavailable):
        await asked(upstream, embedding("a", encoding_format="base64"))


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
    "results",
    [
        [{"index": 2, "relevance_score": 1.0}, {"index": 0, "relevance_score": 1.0}],
        [{"index": -1, "relevance_score": 1.0}, {"index": 0, "relevance_score": 1.0}],
        [{"index": 0, "relevance_score": 1.0}] * 2,
        RESULTS[:1],
        [{"index": 0, "relevance_score": None}, RESULTS[0]],
        [{"index": 0}, RESULTS[0]],
        [{"relevance_score": 1.0}, RESULTS[0]],
    ],
    ids=["too high", "negative", "twice", "too few", "null", "no score", "no index"],
)
async def test_a_ranking_that_does_not_fit_the_documents_is_no_answer(upstream, results):
    """Each of two documents has one finite score."""
    upstream.answers({"results": results})
    with pytest.raises(Unavailable):
        await asked(upstream, rerank(), "reranking")


async def test_a_ranking_may_have_the_best_alone(upstream):
    """As the request asks."""
    upstream.answers({"results": RESULTS[:1]})
    chunk = await asked(upstream, rerank(top_n=1), "reranking")

    assert json.loads(chunk.data)["results"] == RESULTS[:1]


@pytest.mark.parametrize(
    ("usage", "tokens", "faults"),
    [
        ({"prompt_tokens": 10**9}, MOST, ("too_many",)),
        ({"total_tokens": 10**9}, MOST, ("too_many",)),
        ({"prompt_tokens": -1, "total_tokens": 7}, 7, ("invalid",)),
        ({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}, 7, ("too_many",)),
        ({"prompt_tokens": 7, "total_tokens": 9}, 7, ("contradictory",)),
    ],
    ids=["too many", "too many in all", "negative", "generated", "another sum"],
)
async def test_a_usage_that_cannot_be_is_cut(upstream, usage, tokens, faults):
    """Nothing is generated, and a prompt has a token for each byte and for its template at most."""
    upstream.answers(vectors([1.0], [2.0]) | {"usage": usage})
    chunk = await asked(upstream, embedding(["a", "b"]))

    used = chunk.usage
    assert (used.prompt_tokens, used.completion_tokens, used.faults) == (tokens, 0, faults)
    assert json.loads(chunk.data)["usage"]["total_tokens"] == chunk.usage.prompt_tokens


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
