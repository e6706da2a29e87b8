"""`gateway.dialects.parse`: each parameter is served, or refused by its name."""

import json

import pytest

from deployments.capability import Capability
from deployments.protocol import Message
from gateway.dialects.parse import CHAT_UNSUPPORTED, HINTS, TEXT_UNSUPPORTED, parse_chat, parse_text
from gateway.dialects.schemas import ChatRequest
from gateway.errors import (
    GatewayError,
    InvalidType,
    InvalidValue,
    MissingParameter,
    UnknownParameter,
    UnsupportedParameter,
)

CHAT = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
TEXT = {"model": "auto", "prompt": "hi"}


def user(content):
    return {"messages": [{"role": "user", "content": content}]}


def tool(**function):
    return {"type": "function", "function": {"name": "f", **function}}


def choice(name):
    return {"type": "function", "function": {"name": name}}


def allowing(*names, mode="auto"):
    allowed = {"mode": mode, "tools": [choice(name) for name in names]}
    return {"type": "allowed_tools", "allowed_tools": allowed}


def schema(value):
    return {"type": "json_schema", "json_schema": {"name": "s", "schema": value}}


def assistant(**fields):
    return {"messages": [{"role": "assistant", "content": "a", **fields}]}


def test_parameters_arrive_as_they_were_written():
    """Every parameter for the model reaches it; the gateway's own do not."""
    given = {
        "max_tokens": 5,
        "temperature": 0,
        "top_p": 0.5,
        "presence_penalty": -2,
        "frequency_penalty": 2,
        "seed": -(2**63),
        "stop": ["a", "b"],
        "logprobs": True,
        "top_logprobs": 20,
        "top_k": 5,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "min_tokens": 1,
        "stop_token_ids": [2],
        "chat_template_kwargs": {"enable_thinking": False},
    }

    own = {"user": "u", "metadata": {"k": "v"}, "stream": True}
    ask = parse_chat(CHAT | given | own)

    assert json.loads(ask.body()) == given | {"messages": CHAT["messages"]}
    assert (ask.user, ask.metadata, ask.stream) == ("u", {"k": "v"}, True)


def test_a_comparison_asks_for_one_answer_without_log_probabilities():
    """What is left is what decides the text."""
    given = {"n": 1, "logprobs": True, "top_logprobs": 2, "seed": 3, "temperature": 0}

    ask = parse_chat(CHAT | given)

    assert json.loads(ask.shadow_body()) == {
        **{"messages": CHAT["messages"], "seed": 3, "temperature": 0}
    }


def test_null_means_absent():
    """Every optional parameter may be null, and then is as if it were not there."""
    optional = set(ChatRequest.__struct_fields__) - set(CHAT) | set(CHAT_UNSUPPORTED)

    assert parse_chat(CHAT | dict.fromkeys(optional)) == parse_chat(CHAT)


def test_message_parts_and_developer_role():
    """Text parts are joined by line breaks and a developer is the system."""
    said = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ]

    ask = parse_chat({"model": "auto", "messages": said})

    assert ask.query.messages == (Message("system", "be brief"), Message("user", "a\nb"))
    assert json.loads(ask.body())["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "a\nb"},
    ]


def test_an_answer_can_be_sent_back():
    """The nulls of an assistant's message, as clients echo them, are accepted."""
    nulls = dict.fromkeys(["refusal", "tool_calls", "function_call", "audio", "name"])
    extras = {"annotations": [], "niche": {"model": "big"}, "parsed": {"a": 1}}

    ask = parse_chat(CHAT | assistant(**nulls, **extras))

    assert json.loads(ask.body())["messages"] == [{"role": "assistant", "content": "a"}]


@pytest.mark.parametrize(
    ("change", "kind", "parameter"),
    [
        ({"messages": []}, InvalidValue, "messages"),
        ({"messages": None}, InvalidType, "messages"),
        ({"messages": "hi"}, InvalidType, "messages"),
        ({"messages": [3]}, InvalidType, "messages[0]"),
        ({"messages": [{"content": "x"}]}, MissingParameter, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, MissingParameter, "messages[0].content"),
        ({"messages": [{"role": "function", "content": ""}]}, InvalidValue, "messages[0].role"),
        (user(None), InvalidType, "messages[0].content"),
        (user([]), InvalidValue, "messages[0].content"),
        (user([{"type": "input_audio"}]), InvalidValue, "messages[0].content[0].type"),
        (user([{"type": "file"}]), InvalidValue, "messages[0].content[0].type"),
        (user([{"type": "text", "text": 1}]), InvalidType, "messages[0].content[0].text"),
        (
            user([{"type": "text", "text": "", "x": 1}]),
            UnknownParameter,
            "messages[0].content[0].x",
        ),
        (assistant(audio={"id": "a"}), UnsupportedParameter, "messages[0].audio"),
        (
            assistant(tool_calls=[{"id": "c"}]),
            MissingParameter,
            "messages[0].tool_calls[0].function",
        ),
        ({"model": None}, InvalidType, "model"),
        ({"temperature": 2.1}, InvalidValue, "temperature"),
        ({"temperature": "1"}, InvalidType, "temperature"),
        ({"temperature": True}, InvalidType, "temperature"),
        ({"temperature": float("inf")}, InvalidValue, "temperature"),
        ({"temperature": 10**400}, InvalidValue, "temperature"),
        ({"top_p": -0.1}, InvalidValue, "top_p"),
        ({"max_tokens": 0}, InvalidValue, "max_tokens"),
        ({"max_tokens": 10**30}, InvalidValue, "max_tokens"),
        ({"max_tokens": 1.5}, InvalidType, "max_tokens"),
        ({"max_tokens": 1, "max_completion_tokens": 2}, InvalidValue, "max_tokens"),
        ({"seed": 2**63}, InvalidValue, "seed"),
        ({"n": 0}, InvalidValue, "n"),
        ({"n": 17}, InvalidValue, "n"),
        ({"stop": ""}, InvalidValue, "stop"),
        ({"stop": ["a", ""]}, InvalidValue, "stop[1]"),
        ({"stop": list("abcde")}, InvalidValue, "stop"),
        ({"top_logprobs": 1}, InvalidValue, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, InvalidValue, "top_logprobs"),
        ({"presence_penalty": -2.5}, InvalidValue, "presence_penalty"),
        ({"metadata": {"k" * 65: ""}}, InvalidValue, "metadata"),
        ({"metadata": {"k": "v" * 513}}, InvalidValue, "metadata[...]"),
        ({"metadata": {str(i): "" for i in range(17)}}, InvalidValue, "metadata"),
        ({"stream_options": {"include_usage": True}}, InvalidValue, "stream_options"),
        ({"stream": True, "stream_options": {"x": 1}}, UnknownParameter, "stream_options.x"),
        ({"stream": 1}, InvalidType, "stream"),
        ({"logit_bias": {"x": 1}}, InvalidValue, "logit_bias"),
        ({"logit_bias": {"5": 101}}, InvalidValue, "logit_bias[...]"),
        ({"verbosity": 3}, InvalidType, "verbosity"),
        ({"tools": [tool() | {"type": "custom"}]}, InvalidValue, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, MissingParameter, "tools[0].function"),
        ({"tools": [tool(name="")]}, InvalidValue, "tools[0].function.name"),
        ({"tools": [tool()] * 513}, InvalidValue, "tools"),
        (
            {"tools": [tool(), tool(parameters={"type": "objekt"})]},
            InvalidValue,
            "tools[1].function.parameters",
        ),
        ({"tool_choice": "any"}, InvalidValue, "tool_choice"),
        ({"tool_choice": "required"}, InvalidValue, "tool_choice"),
        (
            {"tools": [tool()], "tool_choice": choice("other")},
            InvalidValue,
            "tool_choice.function.name",
        ),
        (
            {"tools": [tool()], "tool_choice": allowing("f", "other")},
            InvalidValue,
            "tool_choice.allowed_tools.tools[1].function.name",
        ),
        (
            {"tools": [tool()], "tool_choice": allowing()},
            InvalidValue,
            "tool_choice.allowed_tools.tools",
        ),
        (
            {"tools": [tool()], "tool_choice": {"type": "custom"}},
            InvalidValue,
            "tool_choice.type",
        ),
        ({"response_format": {"type": "xml"}}, InvalidValue, "response_format.type"),
        (
            {"response_format": schema(None)},
            InvalidType,
            "response_format.json_schema.schema",
        ),
        (
            {"response_format": schema({"properties": []})},
            InvalidValue,
            "response_format.json_schema.schema",
        ),
        ({"top_p_": 1}, UnknownParameter, "top_p_"),
        ({"top_p_": None}, UnknownParameter, "top_p_"),
        ({"top_k": -2}, InvalidValue, "top_k"),
        ({"min_p": 1.5}, InvalidValue, "min_p"),
        ({"repetition_penalty": 0}, InvalidValue, "repetition_penalty"),
        ({"stop_token_ids": [-1]}, InvalidValue, "stop_token_ids[0]"),
        ({"chat_template_kwargs": []}, InvalidType, "chat_template_kwargs"),
    ],
)
def test_chat_faults_name_their_place(change, kind, parameter):
    """A fault is of its kind and names the place in the body."""
    with pytest.raises(GatewayError) as caught:
        parse_chat(CHAT | change)

    assert (type(caught.value), caught.value.parameter) == (kind, parameter)


def test_noise_in_streams_is_a_hint():
    """No stream here has any."""
    options = {"include_usage": True, "include_obfuscation": False}
    quiet, noisy = (
        parse_chat(CHAT | {"stream": True, "stream_options": options | {"include_obfuscation": on}})
        for on in (False, True)
    )

    assert quiet.fields["stream_options"] == noisy.fields["stream_options"]
    assert (quiet.not_applied, noisy.not_applied) == ((), ("stream_options",))


def test_the_likeliest_token_alone_may_be_asked_for():
    """As OpenAI's API has it; most engines refuse 0."""
    asked = (parse_chat(CHAT | {"top_p": 0}), parse_text(TEXT | {"top_p": 0.0}))

    assert all(0 < ask.fields["top_p"] < 1e-5 for ask in asked)


def test_a_choice_without_its_type_gets_it():
    """Servers do not know one without."""
    asked = parse_chat(CHAT | {"tools": [tool()], "tool_choice": {"function": {"name": "f"}}})

    assert asked.fields["tool_choice"] == choice("f")


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_a_model_sees_the_allowed_tools_alone(mode):
    """The rest of the choice is one that every server knows."""
    tools = [tool(name=name) for name in "abc"]
    asked = parse_chat(CHAT | {"tools": tools, "tool_choice": allowing("c", "a", mode=mode)})

    assert asked.fields["tools"] == [tools[0], tools[2]]
    assert asked.fields["tool_choice"] == mode


def test_a_turn_may_have_thoughts_alone():
    """As an answer that was cut while its model thought."""
    turn = {"role": "assistant", "reasoning_content": "hm"}
    asked = parse_chat(CHAT | {"messages": [*CHAT["messages"], turn, *CHAT["messages"]]})

    assert asked.fields["messages"][1]["reasoning_content"] == "hm"


@pytest.mark.parametrize("name", sorted(CHAT_UNSUPPORTED))
def test_unsupported_chat_parameters_are_named(name):
    """A parameter that is not served is refused by name."""
    with pytest.raises(UnsupportedParameter) as caught:
        parse_chat(CHAT | {name: {"something": 1}})

    assert caught.value.parameter == name


@pytest.mark.parametrize("name", sorted(TEXT_UNSUPPORTED))
def test_unsupported_text_parameters_are_named(name):
    """The same holds for text completions."""
    with pytest.raises(UnsupportedParameter) as caught:
        parse_text(TEXT | {name: 7})

    assert caught.value.parameter == name


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, idle in CHAT_UNSUPPORTED.items() for value in idle],
)
def test_values_without_effect_are_accepted(name, value):
    """A value that asks for nothing may be sent."""
    assert parse_chat(CHAT | {name: value}) == parse_chat(CHAT)


def test_zero_is_not_false():
    """`echo: 0` is not `echo: false`."""
    with pytest.raises(UnsupportedParameter):
        parse_text(TEXT | {"echo": 0})


@pytest.mark.parametrize(
    "nothing",
    [
        {"tools": []},
        {"tools": [], "tool_choice": "auto", "parallel_tool_calls": False},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "none"},
        {"response_format": {"type": "text"}},
        {"logprobs": False, "top_logprobs": 0},
        {"logit_bias": {}},
        {"service_tier": "auto", "store": False},
    ],
    ids=["no tools", "a choice of none", "no choice", "text", "logprobs", "bias", "hints"],
)
def test_what_asks_for_nothing_needs_nothing(nothing):
    """A served parameter whose value asks for nothing is as if it were not there."""
    assert parse_chat(CHAT | nothing) == parse_chat(CHAT)


def test_a_schema_may_be_of_draft_7():
    """Tuples as older generators write them, and regular expressions that Python has not."""
    old = {"type": "array", "items": [{"pattern": r"^\p{L}+$"}, {"type": "integer"}]}

    assert parse_chat(CHAT | {"response_format": schema(old)}).needs == {
        Capability.JSON_SCHEMA: "response_format"
    }


def test_a_schema_nested_too_deeply_is_named():
    """Whoever nests a schema a thousand times is told the place."""
    deep = {}
    for _ in range(400):
        deep = {"properties": {"a": deep}}

    with pytest.raises(InvalidValue) as caught:
        parse_chat(CHAT | {"response_format": schema(deep)})

    assert caught.value.parameter == "response_format.json_schema.schema"


def test_tools_and_schemas_travel_as_they_were_written():
    """Keys that nobody here knows stay, and nulls too."""
    given = {
        "tools": [tool(strict=None, description=None, parameters={"type": "object", "x-y": 1})],
        "tool_choice": choice("f"),
        "parallel_tool_calls": False,
        "response_format": schema({"type": "object", "title": "Ä"}),
        "logit_bias": {"5": -100},
    }

    ask = parse_chat(CHAT | given)

    assert json.loads(ask.body()) == given | {"messages": CHAT["messages"]}
    assert ask.needs == {
        Capability.TOOLS: "tools",
        Capability.JSON_SCHEMA: "response_format",
        Capability.LOGIT_BIAS: "logit_bias",
    }


def test_hints_are_known_by_name():
    """They travel with the body, unless a model is known not to take them."""
    ask = parse_chat(CHAT | {"verbosity": "low", "reasoning_effort": "high", "temperature": 0})

    assert ask.hints == {"verbosity", "reasoning_effort"}
    assert json.loads(ask.body(without={"verbosity"})).keys() == {
        "messages",
        "reasoning_effort",
        "temperature",
    }
    assert json.loads(ask.shadow_body()).keys() == {"messages", "temperature"}


def test_every_hint_is_a_parameter_that_is_served():
    """No name of the table is misspelt."""
    assert set(ChatRequest.__struct_fields__) >= HINTS


def test_a_missing_parameter_is_named():
    """An absent required parameter is named."""
    with pytest.raises(MissingParameter) as caught:
        parse_chat({"messages": CHAT["messages"]})

    assert caught.value.parameter == "model"


def test_a_huge_value_is_not_repeated():
    """An error repeats little of what was sent."""
    with pytest.raises(InvalidType) as caught:
        parse_chat(CHAT | {"temperature": "x" * 10_000})

    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("change", "kind", "parameter"),
    [
        ({"prompt": [1, 2]}, UnsupportedParameter, "prompt"),
        ({"prompt": [[1]]}, UnsupportedParameter, "prompt"),
        ({"prompt": ""}, InvalidValue, "prompt"),
        ({"prompt": []}, InvalidValue, "prompt"),
        ({"prompt": ["a", None]}, InvalidType, "prompt[1]"),
        ({"model": "big", "prompt": ["a"] * 9, "n": 2}, InvalidValue, "n"),
        ({"model": "auto", "prompt": ["a", "b"]}, InvalidValue, "prompt"),
        ({"logprobs": 6}, InvalidValue, "logprobs"),
        ({"logprobs": True}, InvalidType, "logprobs"),
        ({"messages": []}, UnknownParameter, "messages"),
    ],
)
def test_text_faults_name_their_place(change, kind, parameter):
    """A fault of a text completion is of its kind and names the place."""
    with pytest.raises(GatewayError) as caught:
        parse_text(TEXT | change)

    assert (type(caught.value), caught.value.parameter) == (kind, parameter)


def test_text_defaults_follow_the_api():
    """Without max_tokens a text completion has sixteen; echo false asks for nothing."""
    assert json.loads(parse_text(TEXT | {"echo": False}).body()) == {
        "prompt": "hi",
        "max_tokens": 16,
    }


def test_choices_are_counted():
    """Every prompt has as many answers as are asked for."""
    assert parse_text({"model": "big", "prompt": ["a", "b"], "n": 2}).choices == 4
    assert parse_chat(CHAT | {"n": 3}).choices == 3
