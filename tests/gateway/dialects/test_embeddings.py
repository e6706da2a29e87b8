"""`gateway.dialects.embeddings`: each parameter is served, or refused by its name."""

import json

import pytest

from gateway.dialects.embeddings import MAX_INPUTS, parse_embedding
from gateway.errors import (
    GatewayError,
    InvalidType,
    InvalidValue,
    MissingParameter,
    UnknownParameter,
)

ASKED = {"model": "vectors", "input": "a"}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("a", id="a text"),
        pytest.param(["a"] * MAX_INPUTS, id="texts"),
        pytest.param([7] * (MAX_INPUTS + 1), id="tokens"),
        pytest.param([[7], [8, 9]], id="lists of tokens"),
    ],
)
def test_parameters_arrive_as_they_were_written(given):
    """The model's own go on; the gateway's do not."""
    parameters = {"input": given, "encoding_format": "base64", "dimensions": 3}

    ask = parse_embedding({"model": "vectors", "user": "u"} | parameters)

    assert json.loads(ask.body()) == parameters
    assert (ask.operation, ask.model, ask.user, ask.stream) == ("embedding", "vectors", "u", False)


def test_null_means_absent():
    """Every optional parameter may be null."""
    optional = dict.fromkeys(("encoding_format", "dimensions", "user"))

    assert parse_embedding(ASKED | optional) == parse_embedding(ASKED)


@pytest.mark.parametrize(
    ("body", "kind", "parameter"),
    [
        ({"model": "vectors"}, MissingParameter, "input"),
        ({"input": "a"}, MissingParameter, "model"),
        (ASKED | {"input": ""}, InvalidValue, "input"),
        (ASKED | {"input": []}, InvalidValue, "input"),
        (ASKED | {"input": ["a", ""]}, InvalidValue, "input[1]"),
        (ASKED | {"input": ["a"] * (MAX_INPUTS + 1)}, InvalidValue, "input"),
        (ASKED | {"input": [[]]}, InvalidValue, "input[0]"),
        (ASKED | {"input": [-1]}, InvalidValue, "input[0]"),
        (ASKED | {"input": [1.5]}, InvalidType, "input[0]"),
        (ASKED | {"input": {"text": "a"}}, InvalidType, "input"),
        (ASKED | {"dimensions": 0}, InvalidValue, "dimensions"),
        (ASKED | {"encoding_format": "hex"}, InvalidValue, "encoding_format"),
        (ASKED | {"stream": True}, UnknownParameter, "stream"),
    ],
)
def test_a_wrong_request_names_the_place(body, kind, parameter):
    """The error says what is wrong, and where."""
    with pytest.raises(GatewayError) as refused:
        parse_embedding(body)

    assert (type(refused.value), refused.value.parameter) == (kind, parameter)
