"""`POST /v1/messages` and the count of its tokens: requests through the whole edge."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.capabilities import Capability
from deployments.protocol import InvalidPrompt, Overloaded, PromptTooLong, Unavailable
from deployments.tool_call_ids import marked
from gateway.config import DecisionLogSection
from gateway.dialects.messages_schemas import MessagesRequest
from tests.fakes import FakeBackend, NotingBackend
from tests.gateway.stacks import CHAT, HangingUp, make_gateway, until
from tests.gateway.test_any_body import SCALARS, bodies, encodable
from tests.gateway.test_conversations import stack

PATH, COUNT = "/v1/messages", "/v1/messages/count_tokens"
ASKED = {"model": "auto", "max_tokens": 9, "messages": CHAT["messages"]}
COUNTED = {"model": "auto", "messages": CHAT["messages"]}


def events_of(response):
    return [json.loads(line[6:]) for line in response.text.split("\n") if line.startswith("data")]


async def test_an_answer():
    """The router decides as for a chat; the model gets a chat."""
    gateway = make_gateway()
    response = await gateway.post(ASKED, PATH)
    answer = response.json()

    assert (answer["type"], answer["model"]) == ("message", "sql-model")
    assert answer["content"] == [{"type": "text", "text": "Hello, world"}]
    assert answer["stop_reason"] == "end_turn"
    assert (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]) == (7, 3)
    assert answer["niche"]["cost"] == pytest.approx(float(response.headers["x-niche-cost"]))
    [asked] = gateway.sql.requests
    assert asked.client  # it takes turns with others
    assert (asked.operation, json.loads(asked.body)) == (
        "chat",
        {"messages": CHAT["messages"], "max_tokens": 9},
    )


async def test_a_stream():
    """Its pieces are the answer, and its end has the costs."""
    response = await make_gateway().post(ASKED | {"stream": True}, PATH)
    events = events_of(response)

    assert response.headers["content-type"].startswith("text/event-stream")
    said = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(said) == "Hello, world"
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    assert events[-2]["niche"]["cost"] > 0


async def test_a_request_counts_as_one_for_an_answer():
    """In the metrics, like a chat."""
    gateway = make_gateway()
    await gateway.post(ASKED, PATH)

    labels = {"domain": "sql", "model": "sql-model", "reason": "routed", "status_class": "2xx"}
    assert gateway.sample("niche_requests_total", **labels) == 1


@pytest.mark.parametrize("path", [PATH, COUNT])
@pytest.mark.parametrize(
    ("change", "status", "kind", "code", "param"),
    [
        (
            {"messages": [{"role": "user", "content": [{"type": "document"}]}]},
            *(400, "invalid_request_error", "invalid_value", "messages[0].content[0].type"),
        ),
        (
            {"model": "nope"},
            *(404, "not_found_error", "model_not_found", "model"),
        ),
    ],
    ids=["place", "model"],
)
async def test_errors_have_the_dialects_shape(path, change, status, kind, code, param):
    """Anthropic's, with the id of the request."""
    response = await make_gateway().post((ASKED if path == PATH else COUNTED) | change, path)
    body = response.json()

    assert (response.status_code, body["type"]) == (status, "error")
    assert body["error"].pop("message").startswith((param, "Model"))
    assert body["error"] == {"type": kind, "code": code, "param": param}
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["request_id"] == response.headers["request-id"]


@pytest.mark.parametrize(
    ("backend", "status", "kind"),
    [
        ({"refusal": Overloaded("big", 9, 2.0)}, 429, "rate_limit_error"),
        ({"refusal": Unavailable("big", "gone")}, 503, "api_error"),
        ({"refusal": InvalidPrompt("stop", "no")}, 400, "invalid_request_error"),
        ({"refusal": RuntimeError("broken")}, 500, "api_error"),
    ],
    ids=["full", "gone", "refused", "broken"],
)
async def test_a_model_that_fails(backend, status, kind):
    """The status is a chat's; what is blamed has the client's own name."""
    response = await make_gateway(FakeBackend("big", **backend)).post(
        ASKED | {"model": "big"}, PATH
    )
    error = response.json()["error"]

    assert (response.status_code, error["type"]) == (status, kind)
    assert error["param"] == ("stop_sequences" if status == 400 else None)


@pytest.mark.parametrize("path", [PATH, COUNT])
async def test_a_missing_key_is_told_in_the_dialects_shape(tmp_path, path):
    """As what is wrong with a body."""
    keys = tmp_path / "keys"
    keys.write_text("a-key\n")

    response = await make_gateway(api_keys_file=str(keys)).post(ASKED, path)

    assert (response.status_code, response.json()["error"]["type"]) == (401, "authentication_error")


async def test_a_path_of_the_dialect_that_is_not_served():
    """Its clients understand that too."""
    response = await make_gateway().post(ASKED, f"{PATH}/batches")

    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")


async def test_a_full_gateway_is_told_in_the_dialects_shape():
    """A 429 that clients know how to wait for."""
    busy = FakeBackend("sql-model", first_gate=asyncio.Event())
    gateway = make_gateway(sql=busy, max_concurrent_requests=1)
    client = HangingUp(ASKED, PATH)
    waiting = asyncio.create_task(gateway.app(client.scope, client.receive, client.send))
    await until(lambda: busy.requests)

    response = await gateway.post(ASKED, PATH)
    client.hang_up.set()
    await waiting

    assert (response.status_code, response.json()["error"]["type"]) == (429, "rate_limit_error")


async def test_a_stream_that_breaks_off():
    """Ends with the error, after what was said."""
    broken = FakeBackend("sql-model", failure=Unavailable("sql-model", "died"))
    response = await make_gateway(sql=broken).post(ASKED | {"stream": True}, PATH)
    *_, error = events_of(response)

    assert (error["type"], error["error"]["type"]) == ("error", "api_error")
    assert "event: error\n" in response.text


async def test_errors_elsewhere_are_openais():
    """Each dialect has its own."""
    response = await make_gateway().post(CHAT | {"n": "two"})

    assert response.json()["error"]["param"] == "n"
    assert "type" not in response.json()


async def test_a_count():
    """By the tokenizer of the model that would answer, which the headers name."""
    gateway = make_gateway()
    response = await gateway.post(COUNTED, COUNT)

    assert response.json() == {"input_tokens": 7}
    assert response.headers["x-niche-model"] == "sql-model"
    [asked] = gateway.sql.requests
    assert (asked.operation, json.loads(asked.body)) == (
        "count_tokens",
        {"messages": CHAT["messages"]},
    )


async def test_a_count_moves_on_like_a_request():
    """The next model counts where the first one is down."""
    down = FakeBackend("sql-model", refusal=Unavailable("sql-model", "gone"))
    response = await make_gateway(FakeBackend("big", prompt_tokens=9), down).post(COUNTED, COUNT)

    assert (response.json(), response.headers["x-niche-model"]) == ({"input_tokens": 9}, "big")


def too_long(model, prompt_tokens):
    error = PromptTooLong("messages", "too many", prompt_tokens=prompt_tokens)
    return FakeBackend(model, refusal=error)


@pytest.mark.parametrize(
    ("big", "counted"),
    [
        pytest.param(FakeBackend("big", prompt_tokens=7), 7, id="another would answer"),
        pytest.param(too_long("big", 9000), 9000, id="nobody would"),
    ],
)
async def test_a_conversation_that_is_too_long_is_counted(big, counted):
    """By the model that would answer, and if there is none, by the last one that was asked."""
    response = await make_gateway(big, too_long("sql-model", 8000)).post(COUNTED, COUNT)

    assert response.json() == {"input_tokens": counted}
    assert response.headers["x-niche-model"] == "big"
    assert response.headers["x-niche-reason"] == "context_length_exceeded"


async def test_what_nobody_counted_is_too_long():
    """An upstream's refusal, for example, has no number."""
    response = await make_gateway(sql=too_long("sql-model", None)).post(
        COUNTED | {"model": "sql-model"}, COUNT
    )

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"


async def test_a_count_is_no_request_for_an_answer(tmp_path):
    """It costs nothing, and the decision log has no line of it."""
    log = tmp_path / "decisions.jsonl"
    gateway = make_gateway(decision_log=DecisionLogSection(path=str(log)))
    async with gateway.serving():
        response = await gateway.post(COUNTED, COUNT)

    labels = {"domain": "sql", "model": "sql-model", "reason": "routed", "status_class": "2xx"}
    assert gateway.sample("niche_requests_total", **labels) is None
    assert "x-niche-cost" not in response.headers
    assert log.read_text() == ""


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
FIND = {"name": "find", "input_schema": {"type": "object"}}


def said(*turns):
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def called(call_id):
    """A conversation at the result of a call."""
    call = {"type": "tool_use", "id": call_id, "name": "find", "input": {}}
    result = {"type": "tool_result", "tool_use_id": call_id, "content": "18"}
    return said(("user", "please SELECT"), ("assistant", [call]), ("user", [result]))


async def test_hints_that_no_model_gets_are_named():
    """Those of a chat too."""
    hints = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}
    response = await stack().post(ASKED | hints, PATH)

    assert response.headers["x-niche-not-applied"] == "output_config.effort, thinking"


async def test_a_count_tells_what_it_left_out():
    """Hints among them: nobody reads them to count."""
    hints = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}
    response = await make_gateway().post(COUNTED | hints, COUNT)

    assert response.headers["x-niche-not-applied"] == "output_config.effort, thinking"


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        (said(("user", [IMAGE])) | {"system": "look"}, "unsupported", "messages[0].content[0]"),
        ({"tools": [FIND]}, "unsupported", "tools"),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {}}}},
            *("unsupported", "output_config.format"),
        ),
        (
            said(("user", [{"type": "tool_result", "tool_use_id": "c"}])) | {"system": "a"},
            *("invalid", "messages[0].content[0]"),
        ),
        (
            {"tools": [FIND | {"input_schema": {"type": "thing"}}]},
            *("invalid", "tools[0].input_schema"),
        ),
        (
            {"tools": [FIND], "tool_choice": {"type": "tool", "name": "lose"}},
            *("invalid", "tool_choice.name"),
        ),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "thing"}}}},
            *("invalid", "output_config.format.schema"),
        ),
    ],
    ids=["image", "tools", "form", "result", "schema", "choice", "schema of the form"],
)
async def test_what_a_chat_cannot_have_is_told_about_the_body(change, code, param):
    """By the client's own places, though a chat has others."""
    response = await stack().post(ASKED | change, PATH)
    error = response.json()["error"]

    assert (response.status_code, error["param"]) == (400, param)
    assert error["code"].startswith(code)
    assert error["message"].startswith(f"{param}: ")


async def test_a_tool_result_stays_with_the_model_that_called():
    """Which reads its own id."""
    gateway = stack(big=[Capability.TOOLS], sql=[Capability.TOOLS])
    response = await gateway.post(ASKED | called(marked("own", "big")) | {"tools": [FIND]}, PATH)

    assert response.headers["x-niche-reason"] == "same_conversation"
    [body] = gateway.big.bodies
    assert body["messages"][1]["tool_calls"][0]["id"] == body["messages"][2]["tool_call_id"]
    assert body["messages"][2]["tool_call_id"] == "own"


async def test_an_answer_that_calls():
    """Its id is the one that a result has to name."""
    function = {"name": "find", "arguments": "{}"}
    message = {"content": None, "tool_calls": [{"id": marked("own", "big"), "function": function}]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    big = NotingBackend("big", choices=[choice])
    gateway = stack(big=[Capability.TOOLS], generalist=big)
    answer = (await gateway.post(ASKED | {"tools": [FIND]}, PATH)).json()

    again = await gateway.post(ASKED | called(answer["content"][0]["id"]), PATH)

    assert (answer["stop_reason"], again.headers["x-niche-model"]) == ("tool_use", "big")


WORDS = st.sampled_from(
    ["text", "image", "tool_use", "tool_result", "thinking", "base64", "url", "user", "assistant"]
)
KEYS = st.sampled_from(
    [*("type", "role", "content", "text", "source", "data", "url", "id", "name", "input")],
)
VALUES = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
BLOCKS = st.lists(
    st.sampled_from(
        [
            {"type": "text", "text": "SELECT"},
            {"type": "thinking", "thinking": "hm"},
            {"type": "tool_use", "id": "c", "name": "f", "input": {}},
            {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": ""}]},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        ]
    )
    | VALUES,
    max_size=3,
)
TURNS = st.lists(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["user", "assistant", "system"]),
        st.text(max_size=3) | BLOCKS,
    ),
    max_size=4,
)


@pytest.fixture(scope="module")
def gateway():
    return make_gateway()


@settings(max_examples=200, deadline=None)
@given(
    body=bodies(MessagesRequest, {}, ASKED).filter(encodable),
    turns=st.none() | TURNS.filter(encodable),
    path=st.sampled_from([PATH, COUNT]),
)
def test_any_body(gateway, body, turns, path):
    """Any object yields an answer, or an error in the dialect's shape; never a failure."""
    response = asyncio.run(gateway.post(body | ({"messages": turns} if turns else {}), path))

    if response.status_code != 200:
        assert response.status_code in {400, 404}
        assert response.json()["type"] == "error"
    elif response.headers["content-type"].startswith("text/event-stream"):
        assert events_of(response)[-1] == {"type": "message_stop"}
    else:
        assert response.json().keys() >= ({"content"} if path == PATH else {"input_tokens"})
