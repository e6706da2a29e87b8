"""`gateway.dialects.rerank`: each parameter is served, or refused by its name."""

import json

import pytest

from gateway.dialects.embeddings import MAX_INPUTS
from gateway.dialects.rerank import parse_rerank
from gateway.errors import (
    GatewayError,
    InvalidType,
    InvalidValue,
    MissingParameter,
    UnknownParameter,
)

ASKED = {"model": "ranker", "query": "q", "documents": ["a", "b"]}


def test_parameters_arrive_as_they_were_written():
    """The model's own go on; the gateway's do not."""
    parameters = {"query": "q", "documents": ["a"] * MAX_INPUTS}
    parameters |= {"top_n": 3, "return_documents": True}

    ask = parse_rerank({"model": "ranker", "user": "u"} | parameters)

    assert json.loads(ask.body()) == parameters
    assert (ask.operation, ask.model, ask.user, ask.stream) == ("rerank", "ranker", "u", False)


def test_a_document_may_be_an_object():
    """Models get its text, as not every server takes objects."""
    asked = parse_rerank(ASKED | {"documents": [{"text": "a"}, "b"]})

    assert asked == parse_rerank(ASKED)


def test_documents_come_back_on_demand_alone():
    """Whatever a server's own default is; null means absent."""
    optional = dict.fromkeys(("top_n", "return_documents", "user"))

    assert parse_rerank(ASKED | optional) == parse_rerank(ASKED)
    assert json.loads(parse_rerank(ASKED).body())["return_documents"] is False


@pytest.mark.parametrize(
    ("body", "kind", "parameter"),
    [
        ({"model": "ranker", "query": "q"}, MissingParameter, "documents"),
        ({"model": "ranker", "documents": ["a"]}, MissingParameter, "query"),
        ({"query": "q", "documents": ["a"]}, MissingParameter, "model"),
        (ASKED | {"query": ""}, InvalidValue, "query"),
        (ASKED | {"query": ["q"]}, InvalidType, "query"),
        (ASKED | {"documents": []}, InvalidValue, "documents"),
        (ASKED | {"documents": ["a"] * (MAX_INPUTS + 1)}, InvalidValue, "documents"),
        (ASKED | {"documents": ["a", 1]}, InvalidType, "documents[1]"),
        (ASKED | {"documents": [{"title": "a"}]}, UnknownParameter, "documents[0].title"),
        (ASKED | {"top_n": 0}, InvalidValue, "top_n"),
        (ASKED | {"return_documents": 1}, InvalidType, "return_documents"),
        (ASKED | {"max_tokens_per_doc": 512}, UnknownParameter, "max_tokens_per_doc"),
    ],
)
def test_a_wrong_request_names_the_place(body, kind, parameter):
    """The error says what is wrong, and where."""
    with pytest.raises(GatewayError) as refused:
        parse_rerank(body)

    assert (type(refused.value), refused.value.parameter) == (kind, parameter)
