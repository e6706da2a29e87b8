"""Whatever JSON object is sent: an answer, or an error that says why; never a gateway's failure."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.tool_call_ids import marked
from gateway.dialects.embeddings import EmbeddingRequest
from gateway.dialects.parse import CHAT_UNSUPPORTED, TEXT_UNSUPPORTED
from gateway.dialects.schemas import ChatRequest, TextRequest
from tests.fakes import NotingBackend
from tests.gateway.stacks import CHAT, EMBEDDER, make_gateway

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-20, 20)
    | st.sampled_from([2**31, 2**63, -(2**63), 10**40])
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["auto", "big", "text", "user", "SELECT", "vectors"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "include_usage"])
            | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


WORDS = st.text(max_size=3)
IMAGES = st.sampled_from(["data:image/png;base64,AA==", "http://x"])
PARTS = (
    st.builds(dict, type=st.just("text"), text=WORDS)
    | st.builds(dict, type=st.just("image_url"), image_url=st.builds(dict, url=IMAGES))
    | st.builds(dict, type=st.just("refusal"), refusal=WORDS)
)
CONTENT = WORDS | st.lists(PARTS, max_size=2)
IDS = st.sampled_from([marked("a", "big"), marked("a", "sql-model"), "c1"])
CALLED = st.builds(dict, name=WORDS, arguments=st.sampled_from(["{}", "{"]))
CALLS = st.lists(st.builds(dict, id=IDS, function=CALLED), max_size=2)
ANSWERS = st.fixed_dictionaries(
    {"role": st.just("assistant")},
    optional={
        "content": st.none() | CONTENT,
        "refusal": st.none() | WORDS,
        "tool_calls": st.none() | CALLS,
        "reasoning_content": st.none() | WORDS,
        "niche": VALUES,
    },
)
MESSAGES = (
    st.builds(dict, role=st.sampled_from(["user", "system", "developer"]), content=CONTENT)
    | st.builds(dict, role=st.just("tool"), tool_call_id=IDS, content=CONTENT)
    | ANSWERS
    | st.builds(lambda message, change: message | change, ANSWERS, st.dictionaries(WORDS, VALUES))
)
TOOLS = st.builds(
    dict,
    type=st.just("function"),
    function=st.builds(dict, name=st.sampled_from(["f", "g"]), parameters=st.none() | VALUES),
)
SCHEMAS = st.builds(dict, name=WORDS, schema=st.builds(dict, properties=VALUES))
TOOL_CHATS = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["auto", "big", "sql-model"]),
        "messages": st.lists(MESSAGES, min_size=1, max_size=4),
    },
    optional={
        "stream": st.booleans(),
        "tools": st.lists(TOOLS, max_size=2),
        "tool_choice": st.sampled_from(["auto", "none", "required"]) | VALUES,
        "response_format": st.builds(dict, type=st.just("json_schema"), json_schema=SCHEMAS)
        | st.just({"type": "json_object"}),
        "logit_bias": st.dictionaries(st.sampled_from(["1", "x"]), st.integers(-101, 101)),
        "parallel_tool_calls": st.none() | st.booleans(),
        "verbosity": st.sampled_from(["low", None]),
    },
)


def bodies(kind, unsupported, base):
    """Valid bodies with some parameters replaced by anything."""
    names = st.sampled_from([*kind.__struct_fields__, *unsupported]) | st.text(max_size=4)
    changes = st.dictionaries(names, VALUES, max_size=4)
    dropped = st.sets(st.sampled_from(sorted(base)), max_size=1)
    return st.builds(
        lambda change, drop: {k: v for k, v in (base | change).items() if k not in drop},
        changes,
        dropped,
    )


@pytest.fixture(scope="module")
def gateway():
    return make_gateway(embeddings=[EMBEDDER])


@pytest.fixture(scope="module")
def tools_gateway():
    return make_gateway(NotingBackend("big"), NotingBackend("sql-model"))


EMBEDDINGS = "/v1/embeddings"


def check(gateway, path, body):
    response = asyncio.run(gateway.post(body, path))
    if response.headers["content-type"].startswith("text/event-stream"):
        assert response.text.endswith("data: [DONE]\n\n")
    elif response.status_code == 200:
        assert response.json()["data" if path == EMBEDDINGS else "choices"]
    else:
        assert response.status_code in {400, 404}
        assert response.json()["error"]["code"] != "internal_error"
        assert response.json()["error"]["message"]


def encodable(body):
    try:
        json.dumps(body, allow_nan=False)
    except ValueError:  # an infinity is no JSON; the malformed bodies have their own tests
        return False
    return True


@settings(max_examples=100, deadline=None)
@given(body=bodies(ChatRequest, CHAT_UNSUPPORTED, CHAT).filter(encodable))
def test_any_chat_body(gateway, body):
    """Any object posted as a chat yields an answer or a 4xx."""
    check(gateway, "/v1/chat/completions", body)


@settings(max_examples=200, deadline=None)
@given(body=TOOL_CHATS.filter(encodable))
def test_any_chat_with_tools(tools_gateway, body):
    """Whatever messages, parts, calls, schemas and nulls are put together."""
    check(tools_gateway, "/v1/chat/completions", body)


@settings(max_examples=100, deadline=None)
@given(
    body=bodies(TextRequest, TEXT_UNSUPPORTED, {"model": "auto", "prompt": "hi"}).filter(encodable)
)
def test_any_text_body(gateway, body):
    """Any object posted as a text completion yields an answer or a 4xx."""
    check(gateway, "/v1/completions", body)


@settings(max_examples=100, deadline=None)
@given(body=bodies(EmbeddingRequest, {}, {"model": "vectors", "input": "hi"}).filter(encodable))
def test_any_body_for_embeddings(gateway, body):
    """Any object posted for embeddings yields vectors or a 4xx."""
    check(gateway, EMBEDDINGS, body)
