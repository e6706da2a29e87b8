"""Whatever JSON is sent: each dialect's parser gives a request or an error for the client, in time,
and a model gets what the client wrote. `make fuzz` looks at many more examples."""

import json
import os
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.body import decode_object
from gateway.dialects.embeddings import EmbeddingRequest, parse_embedding
from gateway.dialects.messages import MESSAGES_UNSUPPORTED, parse_messages, parse_token_count
from gateway.dialects.messages_schemas import MessagesRequest, TokenCountRequest
from gateway.dialects.parse import (
    CHAT_UNSUPPORTED,
    TEXT_UNSUPPORTED,
    CompletionRequest,
    parse_chat,
    parse_route,
    parse_text,
)
from gateway.dialects.rerank import RerankRequest, parse_rerank
from gateway.dialects.responses import RESPONSES_UNSUPPORTED, parse_responses
from gateway.dialects.responses_schemas import ResponsesRequest
from gateway.dialects.route_schemas import RouteRequest
from gateway.dialects.schemas import ChatRequest, TextRequest
from gateway.errors import GatewayError
from tests.fuzz.wire import VALID

EXAMPLES = int(os.environ.get("NICHE_FUZZ_EXAMPLES", "20"))
SECONDS = 2.0
"""For one body of a few kilobytes, on a machine that does other things as well."""

Parse = Callable[[dict[str, Any]], object]
DIALECTS: dict[str, tuple[Parse, type[msgspec.Struct], dict[str, Any]]] = {
    "/v1/chat/completions": (parse_chat, ChatRequest, CHAT_UNSUPPORTED),
    "/v1/completions": (parse_text, TextRequest, TEXT_UNSUPPORTED),
    "/v1/responses": (parse_responses, ResponsesRequest, RESPONSES_UNSUPPORTED),
    "/v1/messages": (parse_messages, MessagesRequest, MESSAGES_UNSUPPORTED),
    "/v1/messages/count_tokens": (parse_token_count, TokenCountRequest, MESSAGES_UNSUPPORTED),
    "/v1/embeddings": (parse_embedding, EmbeddingRequest, {}),
    "/v1/rerank": (parse_rerank, RerankRequest, {}),
    "/v1/niche/route": (parse_route, RouteRequest, {}),
}
WORDS = [
    *("role", "content", "type", "text", "name", "function", "parameters", "arguments", "id"),
    *("tool_calls", "tool_call_id", "call_id", "tool_use_id", "tool_use", "tool_result", "input"),
    *("message", "function_call", "function_call_output", "input_text", "input_image", "image_url"),
    *("url", "image", "source", "base64", "data", "media_type", "summary", "reasoning", "schema"),
    *("json_schema", "format", "user", "assistant", "system", "tool", "auto", "required", "object"),
    *("properties", "$ref", "#", "enum", "thinking", "mode", "tools", "namespace", "allowed_tools"),
    *("output", "output_text", "refusal", "item_reference", "cache_control", "input_schema"),
    *("data:image/png;base64,AA==", "https://x/y.png", "resp_1", "{", "", "\0", "\u2028"),
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**31, 2**63, -(2**63), 10**400, 1.0, -0.0, 5e-324, 1e308])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(WORDS)
)
KEYS = st.sampled_from(WORDS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=6)


def bodies(path: str) -> st.SearchStrategy[dict[str, Any]]:
    """Right bodies with parts of them replaced, and any object."""
    _, kind, unsupported = DIALECTS[path]
    names = st.sampled_from([*kind.__struct_fields__, *unsupported]) | KEYS
    changes = st.dictionaries(names, VALUES | st.lists(OBJECTS, min_size=1, max_size=3), max_size=4)
    return OBJECTS | changes.map(lambda change: VALID[path] | change)


def parsed(path: str, body: bytes) -> object | None:
    """The request; None: it is refused in an error for the client."""
    started = time.perf_counter()
    try:
        return DIALECTS[path][0](decode_object(body))
    except GatewayError:
        return None
    finally:
        assert time.perf_counter() - started < SECONDS


@pytest.mark.parametrize("path", DIALECTS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_object_is_a_request_or_the_client_s_fault(path: str, data: st.DataObject) -> None:
    """No other exception comes out of a parser; what it takes can be written for a model."""
    body = data.draw(bodies(path))

    request = parsed(path, json.dumps(body, ensure_ascii=False).encode())

    if isinstance(request, CompletionRequest):
        assert json.loads(request.body())


@pytest.mark.parametrize("path", DIALECTS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(body=st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_request_or_the_client_s_fault(path: str, body: bytes) -> None:
    """Also what is no object, or no JSON."""
    parsed(path, body)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
SAMPLING = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1, exclude_min=True),
        "max_tokens": st.integers(1, 2**31 - 1),
        "n": st.integers(1, 16),
        "seed": st.integers(-(2**63), 2**63 - 1),
        "stop": TEXTS | st.lists(TEXTS, max_size=4),
        "presence_penalty": st.floats(-2, 2),
        "frequency_penalty": st.floats(-2, 2),
    },
)
JSON_OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    text=TEXTS,
    sampling=SAMPLING,
    hints=st.fixed_dictionaries({}, optional={"prediction": JSON_OBJECTS, "verbosity": TEXTS}),
    arguments=JSON_OBJECTS,
)
def test_a_chat_s_words_reach_the_model(text, sampling, hints, arguments) -> None:
    """Its texts, its sampling, its hints and its calls, as the client wrote them."""
    call = {"name": "f", "arguments": json.dumps(arguments)}
    turns = [
        {"role": "user", "content": text},
        {"role": "assistant", "content": text, "tool_calls": [{"id": "c", "function": call}]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": text}]},
    ]
    body = {"model": "big", "messages": turns} | sampling | hints

    got = json.loads(parse_chat(decode_object(json.dumps(body).encode())).body())

    assert {name: got[name] for name in sampling | hints} == sampling | hints
    assert [turn["content"] for turn in got["messages"]] == [text] * 3
    assert got["messages"][1]["tool_calls"][0]["function"] == call


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=TEXTS, arguments=JSON_OBJECTS)
def test_the_words_of_a_message_reach_the_model(text, arguments) -> None:
    """Anthropic's turns as a chat's: texts, calls with their input, results."""
    turns = [
        {"role": "user", "content": [{"type": "text", "text": text}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "c", "name": "f", "input": arguments}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": text}]},
    ]
    body = {"model": "big", "max_tokens": 5, "system": text, "messages": turns}

    got = json.loads(parse_messages(decode_object(json.dumps(body).encode())).body())

    system, user, called, result = got["messages"]
    assert [system["content"], user["content"], result["content"]] == [text] * 3
    assert json.loads(called["tool_calls"][0]["function"]["arguments"]) == arguments


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=TEXTS, arguments=JSON_OBJECTS, sampling=SAMPLING)
def test_the_words_of_a_response_reach_the_model(text, arguments, sampling) -> None:
    """Items as a chat's turns: texts, calls, results."""
    call = {"type": "function_call", "call_id": "c", "name": "f"}
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": text}]},
        call | {"arguments": json.dumps(arguments)},
        {"type": "function_call_output", "call_id": "c", "output": text},
    ]
    same = {name: of for name, of in sampling.items() if name in ("temperature", "top_p")}
    body = {"model": "big", "instructions": text, "input": items} | same

    got = json.loads(parse_responses(decode_object(json.dumps(body).encode())).body())

    system, user, called, result = got["messages"]
    assert [system["content"], user["content"], result["content"]] == [text] * 3
    assert json.loads(called["tool_calls"][0]["function"]["arguments"]) == arguments
    assert {name: got[name] for name in same} == same


@settings(max_examples=EXAMPLES, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=5), query=TEXTS)
def test_texts_reach_models_that_embed_and_rank(texts, query) -> None:
    """In their order."""
    embedded = json.dumps({"model": "vectors", "input": texts}).encode()
    ranked = json.dumps({"model": "ranker", "query": query, "documents": texts}).encode()

    got = json.loads(parse_embedding(decode_object(embedded)).body())
    also = json.loads(parse_rerank(decode_object(ranked)).body())

    assert got["input"] == texts
    assert (also["query"], also["documents"]) == (query, texts)
