"""OpenAI's embeddings as an engine reads and writes them."""

import base64
import json
import struct
from typing import Any

import pytest

from deployments.embeddings import embeddings_chunk, read_embedding_request, written
from deployments.protocol import InvalidPrompt, Usage
from tests.model_requests import embedding


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        pytest.param("a", ("a",), id="a text"),
        pytest.param(["a", "b"], ("a", "b"), id="texts"),
        pytest.param([0, 7], ([0, 7],), id="tokens"),
        pytest.param([[0], [1, 2]], ([0], [1, 2]), id="lists of tokens"),
    ],
)
def test_an_input_has_four_forms(given: Any, inputs: tuple[Any, ...]) -> None:
    """Each becomes a list of inputs."""
    assert read_embedding_request(embedding(given)).inputs == inputs


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        pytest.param({"input": ""}, "input", id="an empty text"),
        pytest.param({"input": []}, "input", id="no text"),
        pytest.param({"input": ["a", ""]}, "input", id="an empty text among others"),
        pytest.param({"input": [[]]}, "input", id="no tokens"),
        pytest.param({"input": None}, "input", id="null"),
        pytest.param({"input": ["a", [1]]}, "input", id="a text and tokens"),
        pytest.param({"input": [1, "a"]}, "input", id="a token and a text"),
        pytest.param({"input": [-1]}, "input", id="a token below zero"),
        pytest.param({"input": [2**31]}, "input", id="a token beyond the largest"),
        pytest.param({"input": [True]}, "input", id="no token"),
        pytest.param({"input": {"text": "a"}}, "input", id="an object"),
        pytest.param({"input": "a", "encoding_format": "hex"}, "encoding_format", id="a format"),
        pytest.param({"input": "a", "dimensions": 8}, "dimensions", id="dimensions"),
        pytest.param({"input": "a", "lora": []}, "lora", id="another's parameter"),
    ],
)
def test_what_is_not_served_is_refused_by_name(body: dict[str, Any], parameter: str) -> None:
    """Before anything is computed."""
    with pytest.raises(InvalidPrompt) as refused:
        read_embedding_request(embedding(body["input"], **body))

    assert refused.value.parameter == parameter


def test_nulls_and_labels_ask_for_nothing() -> None:
    """Null is absent."""
    asked = embedding(encoding_format=None, dimensions=None, user="u")

    assert read_embedding_request(asked) == read_embedding_request(embedding())


def test_a_vector_is_written_in_two_forms() -> None:
    """Numbers, or the bytes of float32 in base64."""
    vector = [0.5, -0.25]

    assert json.loads(bytes(written(vector, "float"))) == vector
    packed = base64.b64decode(json.loads(bytes(written(vector, "base64"))))
    assert list(struct.unpack("<2f", packed)) == vector


def test_an_answer_is_openais() -> None:
    """A vector for each input, in their order, and what it took."""
    vectors = [written([1.0], "float"), written([2.0], "float")]
    chunk = embeddings_chunk(embedding(["a", "b"]), vectors, Usage(3, 0))

    assert json.loads(chunk.data) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [1.0]},
            {"object": "embedding", "index": 1, "embedding": [2.0]},
        ],
        "model": "tiny",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    assert (chunk.prompt_tokens, chunk.tokens, chunk.usage) == (3, 0, Usage(3, 0))
