"""What of a client's request reaches the server."""

import json
from dataclasses import replace

import pytest

from deployments.engines._openai_requests import RequestBuilder, Wanted
from deployments.engines._openai_usage import UNBOUNDED
from tests.deployments.upstream import HELLO, request


def build(asked, *, stream=True, system_prompt=None, extra=None):
    builder = RequestBuilder("served", system_prompt, extra or {})
    body, wanted = builder.build(asked, stream=stream)
    return json.loads(body), wanted


def test_a_request_keeps_its_words():
    """Model, stream and usage are the engine's; whatever else the client wrote is unchanged."""
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"x": 1.50}}}]
    asked = request(tools=tools, temperature=0.5, unknown={"a": [None]}, seed=None)

    assert build(asked)[0] == {
        "model": "served",
        "messages": list(HELLO),
        "tools": tools,
        "temperature": 0.5,
        "unknown": {"a": [None]},
        "seed": None,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_inner_values_are_not_even_written_again():
    """Numbers, escapes and spaces below the top level travel byte for byte."""
    inner = b'[{"role": "user",  "content": "\\u00e9 \\/", "n": 1.50, "n": 12345678901234567890}]'
    asked = replace(request(), body=b'{"messages": ' + inner + b"}")

    assert inner in RequestBuilder("served", None, {}).build(asked, stream=True)[0]


def test_control_tokens_in_a_message_are_text():
    """Where the operator says that the server would read them; its own prompt stays as it is."""
    builder = RequestBuilder("served", "<s>be brief", {}, ["<s>"])
    part = {"type": "text", "text": "a<s>b"}
    body, _ = builder.build(request(messages=[{"role": "user", "content": [part]}]), stream=True)
    system, user = json.loads(body)["messages"]

    assert system["content"] == "<s>be brief"
    assert "<s>" not in user["content"][0]["text"]
    assert user["content"][0]["text"].replace("\u2060", "") == "a<s>b"


def test_a_whole_answer_is_asked_for_as_such():
    """OpenAI refuses `stream_options` without a stream."""
    asked = request(stream_options={"include_usage": True})

    assert build(asked, stream=False)[0] == {
        "model": "served",
        "messages": list(HELLO),
        "stream": False,
    }


@pytest.mark.parametrize(
    ("options", "sent", "wanted"),
    [
        (None, {"include_usage": True}, Wanted()),
        ({"include_usage": False}, {"include_usage": True}, Wanted()),
        ({"include_usage": True}, {"include_usage": True}, Wanted(usage=True)),
        (
            {"include_usage": True, "continuous_usage_stats": True},
            {"include_usage": True, "continuous_usage_stats": True},
            Wanted(usage=True, usage_each=True),
        ),
        (
            {"include_obfuscation": False},
            {"include_usage": True, "include_obfuscation": False},
            Wanted(),
        ),
    ],
    ids=["none", "refused", "asked", "in each event", "others"],
)
def test_the_server_always_counts(options, sent, wanted):
    """The client's other options go on, and what it wanted is remembered."""
    body, found = build(request(stream_options=options))

    assert (body["stream_options"], replace(found, bounds=UNBOUNDED)) == (sent, wanted)


@pytest.mark.parametrize(
    ("fields", "choices"),
    [({}, 1), ({"n": 3}, 3), ({"n": None}, 1), ({"operation": "completion"}, 1)],
    ids=["no n", "n", "null", "a completion"],
)
def test_it_is_known_how_many_choices_come(fields, choices):
    """By `n`."""
    assert build(request(**fields))[1].choices == choices


def test_of_a_list_of_prompts_it_is_not_known():
    """A list may be several prompts, or the tokens of one."""
    assert build(request(operation="completion", prompt=["a", "b"]))[1].choices is None


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        ([{"role": "user", "content": "hi"}], ["system", "user"]),
        (
            [{"role": "system", "content": "x"}, {"role": "user", "content": "hi"}],
            ["system", "user"],
        ),
        ([{"role": "developer", "content": "x"}], ["developer"]),
        (
            [{"role": "user", "content": "a"}, {"role": "system", "content": "x"}],
            ["user", "system"],
        ),
    ],
    ids=["without", "with", "developer", "with a later one"],
)
def test_the_models_system_prompt_is_for_chats_without_one(messages, sent):
    """It stands first; a client's own goes before it."""
    body, _ = build(request(messages=messages), system_prompt="be brief")

    assert [message["role"] for message in body["messages"]] == sent
    added = {"role": "system", "content": "be brief"} in body["messages"]
    assert added == (len(sent) > len(messages))


def test_a_completion_gets_no_system_prompt():
    """It is a text to continue."""
    body, _ = build(request(operation="completion"), system_prompt="be brief")

    assert body["prompt"] == "hello"
    assert "messages" not in body


def test_extra_body_adds_replaces_and_removes():
    """`extra_body` has the last word; null takes a key out."""
    extra = {"top_k": 5, "temperature": 0.1, "stream_options": None, "user": None}
    body, _ = build(request(temperature=1, user="someone"), extra=extra)

    assert (body["top_k"], body["temperature"]) == (5, 0.1)
    assert body.keys().isdisjoint({"stream_options", "user"})


def test_extra_body_may_ask_for_a_stream_always():
    """Of a server that only streams; then it may count too."""
    body, _ = build(request(), stream=False, extra={"stream": True})

    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
