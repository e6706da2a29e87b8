"""The Responses API over a real server on loopback, as the official client uses it."""

import asyncio
import inspect
import json
from collections.abc import Iterator

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.resources.responses import Responses
from openai.types.responses import Response

from deployments.protocol import InvalidPrompt, Unavailable
from gateway.dialects.responses import RESPONSES_UNSUPPORTED
from gateway.dialects.responses_schemas import ResponsesRequest
from tests.fakes import FakeBackend
from tests.gateway.stacks import make_gateway, on_loopback

PATH = "/v1/responses"
ASKED = {"model": "auto", "input": "please SELECT"}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2**64)
    | st.text(max_size=5)
    | st.sampled_from(["auto", "message", "user", "assistant", "function_call", "reasoning"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "call_id", "output", "name"])
            | st.sampled_from(["arguments", "summary", "format", "schema", "mode", "tools"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def gateway():
    return make_gateway()


@pytest.fixture(scope="module")
def client(gateway) -> Iterator[openai.OpenAI]:
    with (
        on_loopback(gateway.app) as address,
        openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as made,
    ):
        yield made


def test_an_answer(client):
    """It parses, strictly, and its request id is known to the client."""
    answer = client.responses.create(**ASKED)

    Response.model_validate_json(answer.model_dump_json(exclude_unset=True), strict=True)
    assert (answer.output_text, answer.model) == ("Hello, world", "sql-model")
    assert answer.usage.total_tokens == 10
    assert answer._request_id == answer.niche["request_id"]


def test_a_stream(client):
    """It grows piece by piece to the same answer."""
    with client.responses.stream(**ASKED) as stream:
        pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
        answer = stream.get_final_response()

    assert pieces == ["Hello", ", ", "world"]
    assert (answer.output_text, answer.status, answer.niche["reason"]) == (
        "Hello, world",
        "completed",
        "routed",
    )


def test_an_answer_goes_back_into_the_conversation(client):
    """Its items can be sent as they came."""
    answer = client.responses.create(**ASKED)
    items = [{"role": "user", "content": "please SELECT"}, *answer.output]

    again = client.responses.create(
        model="auto", input=[*items, {"role": "user", "content": "please SELECT"}]
    )

    assert again.output_text == "Hello, world"


def test_a_fault_is_the_clients_error(client):
    """With the place in its body."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="auto", input="hi", tools=[{"type": "file_search"}])

    assert (caught.value.code, caught.value.param) == ("invalid_value", "tools[0].type")


def test_a_model_that_dies_fails_the_stream():
    """In an event that the client reads, after what was said."""
    late = FakeBackend("sql-model", failure=Unavailable("sql-model", "died"))
    with (
        on_loopback(make_gateway(sql=late).app) as address,
        openai.OpenAI(base_url=f"{address}/v1", api_key="none") as client,
    ):
        last = list(client.responses.create(**ASKED, stream=True))[-1]

    assert (last.type, last.response.error.type) == ("response.failed", "model_unavailable")
    assert last.response.output[0].content[0].text == "Hello"


async def test_a_model_refuses_in_this_dialects_words():
    """It read a chat; the client sent an input."""
    gateway = make_gateway(sql=FakeBackend("sql-model", refusal=InvalidPrompt("messages", "no")))

    response = await gateway.post(ASKED, PATH)

    assert response.status_code == 400
    assert response.json()["error"]["param"] == "input"


async def test_hints_without_effect_are_listed(gateway):
    """By their names in this dialect."""
    asked = ASKED | {
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"verbosity": "low"},
        "truncation": "auto",
        "include": ["reasoning.encrypted_content"],
        "store": True,
        "tools": [{"type": "web_search"}],
    }

    response = await gateway.post(asked, PATH)

    assert set(response.headers["x-niche-not-applied"].split(", ")) == {
        "reasoning.effort",
        "text.verbosity",
        "store",
        "truncation",
        "include",
        "reasoning.summary",
        "tools[0]",
    }


async def test_a_need_that_no_model_meets_names_the_item(gateway):
    """Which is an image here."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    asked = {"model": "auto", "input": [{"role": "user", "content": [image]}]}

    response = await gateway.post(asked, PATH)

    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "unsupported_parameter")
    assert error["param"] == "input[0].content[0]"


def test_every_parameter_of_the_client_is_known():
    """Each parameter that it can send is served, or refused as unsupported by its name."""
    transport = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}

    sent = set(inspect.signature(Responses.create).parameters) - transport

    assert sent - set(ResponsesRequest.__struct_fields__) - set(RESPONSES_UNSUPPORTED) == set()


def items(values):
    """Lists of which each entry looks like an item."""
    kinds = st.sampled_from(["message", "function_call", "function_call_output", "reasoning"])
    return st.lists(
        st.builds(lambda kind, item: {"type": kind, "role": "user"} | item, kinds, values),
        max_size=3,
    )


@settings(max_examples=100, deadline=None)
@given(
    change=st.dictionaries(
        st.sampled_from([*ResponsesRequest.__struct_fields__, *RESPONSES_UNSUPPORTED]),
        ANYTHING,
        max_size=4,
    ),
    asked=items(st.dictionaries(st.sampled_from(["content", "output", "summary"]), ANYTHING)),
)
def test_any_body(gateway, change, asked):
    """Any object yields an answer, or a 4xx that says why."""
    response = asyncio.run(gateway.post(ASKED | {"input": asked or "hi"} | change, PATH))

    if response.headers["content-type"].startswith("text/event-stream"):
        last = response.text.removesuffix("\n\n").rpartition("data: ")[2]
        assert json.loads(last)["type"] in {"response.completed", "response.incomplete"}
    elif response.status_code == 200:
        assert response.json()["output"]
    else:
        assert response.status_code in {400, 404}
        assert response.json()["error"]["message"]
        assert response.json()["error"]["code"] != "internal_error"
