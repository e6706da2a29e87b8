"""`gateway.dialects.responses`: requests in the words of the Responses API become chats."""

import json
from typing import Any

import pytest

from gateway.dialects.parse import parse_chat
from gateway.dialects.responses import (
    RESPONSES_UNSUPPORTED,
    Chat,
    parse_responses,
    request_of,
    to_chat,
)
from gateway.dialects.responses_places import place_of
from gateway.errors import (
    GatewayError,
    InvalidType,
    InvalidValue,
    MissingParameter,
    UnknownParameter,
    UnsupportedParameter,
)

ASKED: dict[str, Any] = {"model": "auto", "input": "hi"}
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}
TIME = {"type": "function", "name": "time"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
CLOCKS = {"type": "namespace", "name": "clocks", "description": "d", "tools": [TIME]}
SCHEMA = {"type": "object", "properties": {"b": {}, "a": {}}}


def chat(**change: Any) -> Chat:
    return to_chat(request_of(ASKED | change))


def messages(*items: dict[str, Any], **change: Any) -> Any:
    return chat(input=list(items), **change).body["messages"]


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def said(*parts: dict[str, Any]) -> dict[str, Any]:
    """A message as an answer has it."""
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": list(parts),
    }


def text(words: str) -> dict[str, Any]:
    return {"type": "output_text", "text": words, "annotations": [], "logprobs": None}


def test_a_text_is_a_message_of_the_user():
    """After the instructions, which come first."""
    assert chat(instructions="Be brief.").body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]


def test_messages_keep_their_roles_and_parts():
    """Their type may be left out."""
    parts = [
        {"type": "input_text", "text": "what is this?"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
    ]

    assert messages({"role": "developer", "content": "Be brief."}, user(parts)) == [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is this?"},
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"},
                },
            ],
        },
    ]


def test_what_the_model_did_between_two_turns_is_one_turn():
    """Its thoughts, words and calls; each result is a turn of its own."""
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
    other = CALL | {"call_id": "call_2", "name": "time"}

    assert messages(
        user("weather and time?"),
        thought | {"content": [{"type": "reasoning_text", "text": "hm"}]},
        said(text("let me"), text("see")),
        CALL,
        other,
        RESULT,
        RESULT | {"call_id": "call_2", "output": [{"type": "input_text", "text": "noon"}]},
    )[1:] == [
        {
            "role": "assistant",
            "reasoning_content": "hm",
            "content": "let me\nsee",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": "{}"},
                },
                {
                    "id": "call_2",
                    "type": "function",
                    "function": {"name": "time", "arguments": "{}"},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
    ]


def test_images_of_results_are_shown_after_them():
    """A chat's results are texts alone."""
    seen = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    shown = RESULT | {"output": [{"type": "input_text", "text": "here"}, seen]}
    *_, first, second, images, last = messages(
        user("?"),
        CALL,
        CALL | {"call_id": "call_2"},
        shown,
        RESULT | {"call_id": "call_2"},
        user("!"),
    )

    assert (first["content"], second["content"]) == ("here", "sunny")
    assert [part["type"] for part in images["content"]] == ["image_url"]
    assert (images["role"], last["content"]) == ("user", "!")


def test_a_turn_of_calls_alone_has_no_content():
    """As a chat's answer has none."""
    assert messages(user("?"), CALL, RESULT)[1]["content"] is None


def test_a_refusal_goes_back_as_one():
    """Beside the content, as in a chat's answer."""
    turn = messages(user("?"), said({"type": "refusal", "refusal": "no"}), user("why?"))[1]

    assert (turn["content"], turn["refusal"]) == ("", "no")


def test_summaries_of_thoughts_count_where_there_are_no_thoughts():
    """And what is encrypted leaves no trace."""
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    hidden = {"type": "reasoning", "summary": [], "encrypted_content": "x"}

    assert messages(user("?"), thought, said(text("a")))[1]["reasoning_content"] == "hm"
    assert messages(user("?"), hidden, user("!")) == messages(user("?"), user("!"))


def test_tools_and_their_choice_are_a_chats():
    """Keys that are not given stay absent."""
    body = chat(tools=[WEATHER, TIME], tool_choice={"type": "function", "name": "time"}).body

    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "weather", "parameters": {"type": "object"}, "strict": True},
        },
        {"type": "function", "function": {"name": "time"}},
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "time"}}


def test_what_a_function_asks_of_others_does_not_reach_the_model():
    """Who may call it, what is searched, and what it gives back."""
    idle = {"allowed_callers": ["direct"], "defer_loading": False}
    plain, told = (
        parse_responses(ASKED | {"tools": [WEATHER | idle | more, CLOCKS]})
        for more in ({}, {"output_schema": {"type": "object"}})
    )

    expected = parse_responses(ASKED | {"tools": [WEATHER, CLOCKS]})
    assert plain.body() == told.body() == expected.body()
    assert set(told.not_applied) - set(plain.not_applied) == {"tools[0].output_schema"}
    assert plain.not_applied == expected.not_applied


def test_a_result_may_be_empty():
    """A list of no parts is no text."""
    assert messages(CALL, RESULT | {"output": []}) == messages(CALL, RESULT | {"output": ""})


def test_allowed_tools_are_the_only_ones_that_the_model_sees():
    """As of a chat's."""
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [TIME]}

    found = parse_responses(ASKED | {"tools": [WEATHER, TIME], "tool_choice": allowed})

    assert [tool["function"]["name"] for tool in found.fields["tools"]] == ["time"]
    assert found.fields["tool_choice"] == "required"


def test_functions_of_a_namespace_are_functions_and_what_servers_run_is_left_out():
    """As agents send them with every request; places are those of the client's list."""
    found = chat(tools=[{"type": "web_search", "external_web_access": False}, CLOCKS, WEATHER])

    assert [tool["function"]["name"] for tool in found.body["tools"]] == ["time", "weather"]
    assert place_of("tools[0].function.parameters", found.places) == "tools[1].tools[0].parameters"


@pytest.mark.parametrize(
    ("form", "chats"),
    [
        pytest.param(None, None, id="absent"),
        pytest.param({"type": "text"}, None, id="text"),
        pytest.param({"type": "json_object"}, {"type": "json_object"}, id="object"),
        pytest.param(
            {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True},
            {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
            id="schema",
        ),
    ],
)
def test_the_form_of_the_text_is_a_chats(form, chats):
    """A schema keeps the order of its keys."""
    body = chat(text={"format": form}).body

    assert json.dumps(body.get("response_format")) == json.dumps(chats)


def test_limits_and_hints_have_a_chats_names():
    """What both have keeps its name; what only describes the client goes nowhere."""
    same = {"temperature": 0, "top_p": 0.5, "user": "u", "prompt_cache_key": "k"}
    hints = {"reasoning": {"effort": "low", "summary": "auto"}, "text": {"verbosity": "low"}}
    unread = {"client_metadata": {"a": "b"}, "truncation": "auto", "store": True, "include": []}

    body = chat(max_output_tokens=9, **same, **hints, **unread).body

    assert {name: body[name] for name in body.keys() - {"model", "messages"}} == same | {
        "max_completion_tokens": 9,
        "reasoning_effort": "low",
        "verbosity": "low",
    }


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, ()),
        ({"client_metadata": {}, "include": [], "truncation": "disabled"}, ()),
        (
            {"client_metadata": {"a": "b"}, "max_tool_calls": 3, "truncation": "auto"},
            ("client_metadata", "max_tool_calls", "truncation"),
        ),
        ({"store": True}, ("store",)),
        ({"stream_options": {"include_obfuscation": True}, "stream": True}, ("stream_options",)),
        ({"stream_options": {"include_obfuscation": False}, "stream": True}, ()),
        (
            {"tools": [{"type": "web_search"}, CLOCKS]},
            ("tools[0]", "tools[1].description"),
        ),
    ],
    ids=["nothing", "idle", "of servers", "no store", "obfuscation", "none", "tools"],
)
def test_what_has_no_effect_is_told(given, told):
    """By its name in the client's body."""
    body = {"model": "auto", "input": "hello"} | given

    assert parse_responses(body).not_applied == told


@pytest.mark.parametrize(
    "asked",
    [{"include": ["message.output_text.logprobs"]}, {"top_logprobs": 2}],
    ids=["include", "top_logprobs"],
)
def test_log_probabilities_are_asked_in_two_ways(asked):
    """Either needs them of the model."""
    assert chat(**asked).body["logprobs"] is True


def test_a_stream_asks_for_its_usage():
    """Thoughts are counted there alone."""
    assert chat(stream=True).body["stream_options"] == {"include_usage": True}


def test_a_chat_is_parsed_as_one():
    """What the router sees and what the model gets is what a chat would have given."""
    turns = [user("one"), said(text("two")), user([{"type": "input_text", "text": "three"}])]

    found = parse_responses(ASKED | {"input": turns, "temperature": 0, "metadata": {"a": "b"}})

    asked = parse_chat(
        {
            "model": "auto",
            "messages": [
                {"role": "user", "content": "one"},
                {"role": "assistant", "content": "two"},
                {"role": "user", "content": "three"},
            ],
            "temperature": 0,
            "metadata": {"a": "b"},
        }
    )
    assert (found.query, found.fields, found.metadata) == (
        asked.query,
        asked.fields,
        asked.metadata,
    )


@pytest.mark.parametrize(
    ("change", "kind", "parameter"),
    [
        ({"input": ""}, InvalidValue, "input"),
        ({"input": []}, InvalidValue, "input"),
        ({"input": 1}, InvalidType, "input"),
        ({"input": [{"content": "a"}]}, MissingParameter, "input[0].type"),
        ({"input": [user(1)]}, InvalidType, "input[0].content"),
        (
            {"input": [user([{"type": "input_file", "file_id": "f"}])]},
            InvalidValue,
            "input[0].content[0].type",
        ),
        (
            {"input": [user([{"type": "input_image", "image_url": "u", "file_id": "f"}])]},
            UnsupportedParameter,
            "input[0].content[0].file_id",
        ),
        (
            {"input": [said({"type": "input_image", "image_url": "u"})]},
            InvalidValue,
            "input[0].content[0]",
        ),
        (
            {"input": [{"type": "item_reference", "id": "msg_1"}]},
            UnsupportedParameter,
            "input[0]",
        ),
        ({"input": [user("a"), {"id": "msg_1"}]}, UnsupportedParameter, "input[1]"),
        ({"input": [{"type": "item_reference"}]}, MissingParameter, "input[0].id"),
        ({"input": [{"id": "fc_1", "call_id": "c"}]}, MissingParameter, "input[0].type"),
        ({"input": [CALL | {"arguments": {}}]}, InvalidType, "input[0].arguments"),
        ({"input": [RESULT | {"call_id": ""}]}, InvalidValue, "input[0].call_id"),
        ({"tools": [{"type": "file_search"}]}, InvalidValue, "tools[0].type"),
        ({"tools": [TIME, CLOCKS]}, InvalidValue, "tools[1].tools[0].name"),
        ({"tools": [{"type": "custom", "name": "c"}]}, InvalidValue, "tools[0].type"),
        (
            {"tools": [WEATHER | {"defer_loading": True}]},
            UnsupportedParameter,
            "tools[0].defer_loading",
        ),
        ({"tool_choice": {"type": "web_search"}}, InvalidValue, "tool_choice.type"),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [TIME]}},
            InvalidValue,
            "tool_choice.tools[0].name",
        ),
        (
            {"text": {"format": {"type": "json_schema", "name": "n"}}},
            MissingParameter,
            "text.format.schema",
        ),
        ({"max_output_tokens": 0}, InvalidValue, "max_output_tokens"),
        ({"temperature": 3}, InvalidValue, "temperature"),
        ({"background": True}, UnsupportedParameter, "background"),
        ({"messages": []}, UnknownParameter, "messages"),
    ],
)
def test_faults_name_their_place(change, kind, parameter):
    """In the client's own body."""
    with pytest.raises(GatewayError) as caught:
        parse_responses(ASKED | change)

    assert (type(caught.value), caught.value.parameter) == (kind, parameter)


@pytest.mark.parametrize("name", sorted(RESPONSES_UNSUPPORTED))
def test_unsupported_parameters_are_named(name):
    """A parameter that is not served is refused by name."""
    with pytest.raises(UnsupportedParameter) as caught:
        parse_responses(ASKED | {name: {"something": 1}})

    assert caught.value.parameter == name


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, idle in RESPONSES_UNSUPPORTED.items() for value in (*idle, None)],
)
def test_values_without_effect_are_accepted(name, value):
    """A value that asks for nothing may be sent."""
    assert parse_responses(ASKED | {name: value}).body() == parse_responses(ASKED).body()
