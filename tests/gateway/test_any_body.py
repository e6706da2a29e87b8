"""Whatever JSON object is sent: an answer, or an error that says why; never a gateway's failure."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.embeddings import EmbeddingRequest
from gateway.dialects.parse import CHAT_UNSUPPORTED, TEXT_UNSUPPORTED
from gateway.dialects.rerank import RerankRequest
from gateway.dialects.schemas import ChatRequest, TextRequest
from tests.gateway.stacks import CHAT, EMBEDDER, RANKER, make_gateway

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
    return make_gateway(embeddings=[EMBEDDER], rerankers=[RANKER])


EMBEDDINGS, RERANK = "/v1/embeddings", "/v1/rerank"
ANSWERS = {EMBEDDINGS: "data", RERANK: "results"}


def check(gateway, path, body):
    response = asyncio.run(gateway.post(body, path))
    if response.headers["content-type"].startswith("text/event-stream"):
        assert response.text.endswith("data: [DONE]\n\n")
    elif response.status_code == 200:
        assert response.json()[ANSWERS.get(path, "choices")]
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


@settings(max_examples=100, deadline=None)
@given(
    body=bodies(
        RerankRequest, {}, {"model": "ranker", "query": "hi", "documents": ["a", "b"]}
    ).filter(encodable)
)
def test_any_body_for_a_ranking(gateway, body):
    """Any object posted for a ranking yields one or a 4xx."""
    check(gateway, RERANK, body)
