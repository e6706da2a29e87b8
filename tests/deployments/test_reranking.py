"""Reranking as an engine reads and writes it."""

import json
from typing import Any

import pytest

from deployments.protocol import InvalidPrompt, Usage
from deployments.reranking import read_rerank_request, rerank_chunk
from tests.model_requests import rerank


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        pytest.param({"documents": []}, "documents", id="no document"),
        pytest.param({"documents": "a"}, "documents", id="no list"),
        pytest.param({"documents": ["a", 1]}, "documents", id="a number among documents"),
        pytest.param({"query": None}, "query", id="no query"),
        pytest.param({"query": ["a"]}, "query", id="several queries"),
        pytest.param({"top_n": 0}, "top_n", id="none of them"),
        pytest.param({"return_documents": "yes"}, "return_documents", id="no boolean"),
        pytest.param({"max_tokens_per_doc": 3}, "max_tokens_per_doc", id="another's parameter"),
    ],
)
def test_what_is_not_served_is_refused_by_name(body: dict[str, Any], parameter: str) -> None:
    """Before anything is computed."""
    with pytest.raises(InvalidPrompt) as refused:
        read_rerank_request(rerank(**body))

    assert refused.value.parameter == parameter


def test_nulls_and_labels_ask_for_nothing() -> None:
    """Null is absent."""
    asked = rerank(top_n=None, return_documents=None, user="u")

    assert read_rerank_request(asked) == read_rerank_request(rerank())


def test_the_most_relevant_document_comes_first() -> None:
    """With its place in the request; of equals the one that came first there."""
    chunk = rerank_chunk(rerank(["a", "b", "c", "d"]), [0.5, 0.25, 1.0, 0.5], Usage(9, 0))

    assert json.loads(chunk.data) == {
        "id": "rerank-1",
        "object": "list",
        "model": "tiny",
        "results": [
            {"index": 2, "relevance_score": 1.0},
            {"index": 0, "relevance_score": 0.5},
            {"index": 3, "relevance_score": 0.5},
            {"index": 1, "relevance_score": 0.25},
        ],
        "usage": {"prompt_tokens": 9, "total_tokens": 9},
    }
    assert (chunk.prompt_tokens, chunk.tokens, chunk.usage) == (9, 0, Usage(9, 0))


@pytest.mark.parametrize(("top_n", "indices"), [(1, [1]), (9, [1, 0])])
def test_a_client_says_how_many_it_wants(top_n: int, indices: list[int]) -> None:
    """Of the most relevant ones, and whether with their texts."""
    asked = rerank(["a", "b"], top_n=top_n, return_documents=True)
    results = json.loads(rerank_chunk(asked, [0.1, 0.2], Usage(9, 0)).data)["results"]

    assert [result["index"] for result in results] == indices
    assert results[0]["document"] == {"text": "b"}
