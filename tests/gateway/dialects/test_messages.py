"""`gateway.dialects.messages`: what a request in Anthropic's words amounts to."""

import json

import msgspec
import pytest

from gateway.dialects.messages import (
    MESSAGES_UNSUPPORTED,
    parse_messages,
    parse_token_count,
    to_chat,
)
from gateway.dialects.messages_schemas import MessagesRequest
from gateway.errors import (
    GatewayError,
    InvalidType,
    InvalidValue,
    MalformedBody,
    MissingParameter,
    UnknownParameter,
    UnsupportedParameter,
)

HI = {"role": "user", "content": "hi"}
ASKED = {"model": "auto", "max_tokens": 5, "messages": [HI]}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
SEEN = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
CALL = {"type": "tool_use", "id": "call_1", "name": "find", "input": {"what": "é"}}
FIND = {"name": "find", "description": "Finds.", "input_schema": {"type": "object"}}


def text(said, **more):
    return {"type": "text", "text": said} | more


def result(content, **more):
    return {"type": "tool_result", "tool_use_id": "call_1", "content": content} | more


def chat(**fields):
    """What a body amounts to."""
    return to_chat(msgspec.convert(ASKED | fields, MessagesRequest))


def messages_of(*turns, **fields):
    """The chat's messages for some turns."""
    said = [{"role": role, "content": content} for role, content in turns]
    return chat(messages=said, **fields).body["messages"]


def test_parameters_have_a_chats_names():
    """What samples, limits and labels an answer."""
    given = {"temperature": 0.5, "top_p": 0.9, "stop_sequences": ["a"], "stream": True}

    ask = parse_messages(ASKED | given | {"top_k": 4, "metadata": {"user_id": "u"}})

    assert json.loads(ask.body()) == {
        "messages": [HI],
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["a"],
        "top_k": 4,
    }
    assert (ask.operation, ask.model, ask.stream, ask.user) == ("chat", "auto", True, "u")


def test_null_means_absent():
    """Every optional parameter may be null."""
    optional = set(MessagesRequest.__struct_fields__) - set(ASKED) | set(MESSAGES_UNSUPPORTED)

    nulls = parse_messages(ASKED | dict.fromkeys(optional))

    assert json.loads(nulls.body()) == json.loads(parse_messages(ASKED).body())


def test_instructions_come_first():
    """As a text or as blocks."""
    system = [text("be brief", cache_control={"type": "ephemeral"}), text("be kind")]

    assert messages_of(("user", "hi"), system="be brief")[0] == {
        "role": "system",
        "content": [text("be brief")],
    }
    assert messages_of(("user", "hi"), system=system)[0] == {
        "role": "system",
        "content": [text("be brief"), text("be kind")],
    }


def test_what_the_user_shows():
    """Images inside the request become data URLs; those at an address keep it."""
    away = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}

    [shown] = messages_of(("user", [text("look"), PNG, away]))

    assert shown["content"] == [
        text("look"),
        SEEN,
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]


def test_what_the_model_said_and_called():
    """Thoughts, text and calls are one message; a redacted thought tells nothing."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "x"}
    hidden = {"type": "redacted_thinking", "data": "x"}

    [_, said] = messages_of(("user", "hi"), ("assistant", [thought, hidden, text("yes"), CALL]))

    function = {"name": "find", "arguments": '{"what":"é"}'}
    assert said == {
        "role": "assistant",
        "content": [text("yes")],
        "reasoning_content": "hm",
        "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
    }


def test_calls_alone_have_no_content():
    """As OpenAI's chat has it; a turn without anything is an empty text."""
    [_, called, empty] = messages_of(("user", "hi"), ("assistant", [CALL]), ("assistant", []))

    assert (called["content"], empty["content"]) == (None, "")


def test_results_come_right_after_the_calls():
    """Each is a message of its own, before what the user says with them."""
    said = messages_of(("assistant", [CALL]), ("user", [text("so?"), result("a"), result([])]))

    assert said[1:] == [
        {"role": "tool", "content": "a", "tool_call_id": "call_1"},
        {"role": "tool", "content": "", "tool_call_id": "call_1"},
        {"role": "user", "content": [text("so?")]},
    ]


def test_images_in_results_are_shown_by_the_user():
    """A chat's results are text."""
    said = messages_of(("assistant", [CALL]), ("user", [result([text("a"), PNG, text("b")])]))

    assert said[1:] == [
        {"role": "tool", "content": "a\nb", "tool_call_id": "call_1"},
        {"role": "user", "content": [SEEN]},
    ]


def test_a_failed_tool_says_so():
    """A chat has no flag for it."""
    [_, failed] = messages_of(("assistant", [CALL]), ("user", [result("gone", is_error=True)]))

    assert failed["content"] == "Error: gone"


def test_tools_are_functions():
    """With their schema as it was written."""
    tool = FIND | {"type": "custom", "strict": True, "cache_control": None}

    [function] = chat(tools=[tool]).body["tools"]

    assert function == {
        "type": "function",
        "function": {
            "name": "find",
            "description": "Finds.",
            "parameters": {"type": "object"},
            "strict": True,
        },
    }


def test_keywords_that_a_schema_leaves_open_are_absent():
    """Anthropic's types have null for them."""
    schema = {"type": "object", "properties": None, "required": None}
    [tool] = parse_messages(ASKED | {"tools": [FIND | {"input_schema": schema}]}).fields["tools"]

    assert tool["function"]["parameters"] == {"type": "object"}


def test_tools_that_the_model_itself_calls_are_as_others():
    """Code that calls them runs at a server of Anthropic's, and nowhere here."""
    direct = FIND | {"allowed_callers": ["direct"]}

    assert chat(tools=[direct]) == chat(tools=[FIND])


def test_there_may_be_more_stop_sequences_than_in_a_chat():
    """Each ends the answer."""
    stops = [f"stop {number}" for number in range(64)]

    assert parse_messages(ASKED | {"stop_sequences": stops}).fields["stop"] == stops


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "find"},
            {"tool_choice": {"type": "function", "function": {"name": "find"}}},
        ),
        (
            {"type": "auto", "disable_parallel_tool_use": True},
            {"tool_choice": "auto", "parallel_tool_calls": False},
        ),
    ],
    ids=["auto", "any", "none", "tool", "one at a time"],
)
def test_the_choice_of_tools(choice, expected):
    """Each has its counterpart."""
    body = chat(tools=[FIND], tool_choice=choice).body

    assert {key: body[key] for key in ("tool_choice", "parallel_tool_calls") if key in body} == (
        expected
    )


def test_the_form_of_the_answer():
    """A schema is strict always; the greatest effort has another name."""
    schema = {"type": "object"}
    config = {"effort": "max", "format": {"type": "json_schema", "schema": schema}}

    body = chat(output_config=config).body

    assert (body["response_format"]["json_schema"], body["reasoning_effort"]) == (
        {"name": "answer", "schema": schema, "strict": True},
        "xhigh",
    )


@pytest.mark.parametrize(
    ("given", "hints"),
    [
        ({}, ()),
        ({"thinking": {"type": "adaptive"}, "service_tier": "auto"}, ("service_tier", "thinking")),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}]}
                ]
            },
            (),
        ),
        ({"cache_control": {"type": "ephemeral"}}, ("cache_control",)),
        ({"tools": [FIND | {"cache_control": {"type": "ephemeral"}}]}, ("cache_control",)),
        ({"tools": [FIND | {"input_examples": [{"what": "x"}]}]}, ("input_examples",)),
        ({"system": [text("a", cache_control={"type": "ephemeral"})]}, ("cache_control",)),
        (
            {"output_config": {"task_budget": {"type": "tokens", "total": 9}}},
            ("output_config.task_budget",),
        ),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [CALL]},
                    {
                        "role": "user",
                        "content": [result([text("a", cache_control={"type": "ephemeral"})])],
                    },
                ]
            },
            ("cache_control",),
        ),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}]}
                ]
            },
            ("redacted_thinking",),
        ),
    ],
    ids=[
        "none",
        "two",
        "thought",
        "request",
        "tool",
        "examples",
        "system",
        "budget",
        "result",
        "redacted",
    ],
)
def test_hints_are_known_wherever_they_are(given, hints):
    """What says how to answer and not what."""
    assert chat(**given).not_applied == hints


def test_an_answer_can_be_sent_back():
    """The nulls and extras of its blocks, as the official client dumps them, are accepted."""
    said = [
        {"type": "thinking", "thinking": "hm", "signature": ""},
        text("yes", citations=None, parsed_output=None),
        CALL | {"caller": None, "toolset_name": None},
    ]

    [_, back] = messages_of(("user", "hi"), ("assistant", said))

    assert back == messages_of(("assistant", [said[0], text("yes"), CALL]))[0]


def turns(*said):
    return {"messages": [{"role": role, "content": content} for role, content in said]}


@pytest.mark.parametrize(
    ("change", "kind", "parameter"),
    [
        ({"max_tokens": None}, InvalidType, "max_tokens"),
        ({"max_tokens": 0}, InvalidValue, "max_tokens"),
        ({"temperature": 1.5}, InvalidValue, "temperature"),
        ({"n": 2}, UnknownParameter, "n"),
        ({"container": "c"}, UnsupportedParameter, "container"),
        ({"mcp_servers": [{}]}, UnsupportedParameter, "mcp_servers"),
        ({"system": [PNG]}, InvalidValue, "system[0].type"),
        ({"metadata": {"team": "a"}}, UnknownParameter, "metadata.team"),
        (
            {"output_config": {"format": {"type": "json"}}},
            InvalidValue,
            "output_config.format.type",
        ),
        ({"messages": []}, InvalidValue, "messages"),
        (turns(("tool", "a")), InvalidValue, "messages[0].role"),
        (turns(("user", [])), InvalidValue, "messages[0].content"),
        (turns(("user", [{"type": "document"}])), InvalidValue, "messages[0].content[0].type"),
        (turns(("user", [CALL])), InvalidValue, "messages[0].content[0].type"),
        (
            turns(("user", "hi"), ("assistant", [result("a")])),
            InvalidValue,
            "messages[1].content[0].type",
        ),
        (turns(("user", [text("a", x=1)])), UnknownParameter, "messages[0].content[0].x"),
        (
            turns(("user", [PNG | {"source": {"type": "file", "file_id": "f"}}])),
            InvalidValue,
            "messages[0].content[0].source.type",
        ),
        (turns(("user", "hi"), ("assistant", "So")), InvalidValue, "messages[1].role"),
        ({"tools": [{"name": "a"}]}, MissingParameter, "tools[0].input_schema"),
        (
            {"tools": [FIND, {"max_uses": 1, "type": "web_search_20250305", "name": "web_search"}]},
            UnsupportedParameter,
            "tools[1].type",
        ),
        (
            {"tools": [FIND | {"allowed_callers": ["code_execution_20260120"]}]},
            InvalidValue,
            "tools[0].allowed_callers[0]",
        ),
        ({"stop_sequences": ["a"] * 65}, InvalidValue, "stop_sequences"),
        ({"stop_sequences": ["a", ""]}, InvalidValue, "stop_sequences[1]"),
        ({"tool_choice": {"type": "tool"}}, MissingParameter, "tool_choice.name"),
        ({"tool_choice": "auto"}, InvalidType, "tool_choice"),
    ],
)
def test_a_wrong_request_names_the_place(change, kind, parameter):
    """The error says what is wrong, and where."""
    with pytest.raises(GatewayError) as refused:
        parse_messages(ASKED | change)

    assert (type(refused.value), refused.value.parameter) == (kind, parameter)
    assert refused.value.message.startswith(parameter)


def test_arguments_beyond_the_stack_are_refused():
    """As a body that is nested too deeply."""
    deep = []
    for _ in range(5_000):
        deep = [deep]
    call = CALL | {"input": {"what": deep}}

    with pytest.raises(MalformedBody):
        parse_messages(ASKED | turns(("assistant", [call]), ("user", "hi")))


def test_a_count_needs_no_limit():
    """It asks for no answer; what would only sample one is unknown to it."""
    asked = {name: ASKED[name] for name in ("model", "messages")}

    assert json.loads(parse_token_count(asked).body()) == {"messages": [HI]}
    with pytest.raises(UnknownParameter):
        parse_token_count(ASKED)


def test_places_of_a_chat_are_found_in_the_body():
    """Wherever the chat has more messages than the body has turns."""
    given = turns(
        ("user", [text("look"), PNG]),
        ("assistant", [text("yes"), CALL]),
        ("user", [result("a"), result([text("b"), PNG])]),
    )
    places = chat(**given, system=[text("a")], tools=[FIND]).places

    assert {place: places[place] for place in sorted(places) if place.startswith("messages")} == {
        "messages[0]": "system",
        "messages[0].content[0]": "system[0]",
        "messages[1]": "messages[0].content",
        "messages[1].content[0]": "messages[0].content[0]",
        "messages[1].content[1]": "messages[0].content[1]",
        "messages[2]": "messages[1].content",
        "messages[2].content[0]": "messages[1].content[0]",
        "messages[2].tool_calls[0]": "messages[1].content[1]",
        "messages[3]": "messages[2].content[0]",
        "messages[4]": "messages[2].content[1]",
        "messages[5]": "messages[2].content",
        "messages[5].content[0]": "messages[2].content[1].content[1]",
    }
    assert places["tools[0].function.parameters"] == "tools[0].input_schema"
