"""`gateway.dialects.parse`: each parameter is served, or refused by its name."""

import pytest

from deployments.protocol import Message, Sampling
from gateway.dialects.parse import CHAT_UNSUPPORTED, TEXT_UNSUPPORTED, parse_chat, parse_text
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


def assistant(**fields):
    return {"messages": [{"role": "assistant", "content": "a", **fields}]}


def test_all_sampling_parameters_arrive():
    """Every sampling parameter reaches the model."""
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
    }

    assert parse_chat(CHAT | given).sampling == Sampling(
        max_tokens=5,
        temperature=0.0,
        top_p=0.5,
        presence_penalty=-2.0,
        frequency_penalty=2.0,
        seed=-(2**63),
        stop=("a", "b"),
        top_logprobs=20,
    )


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

    assert ask.inputs == ((Message("system", "be brief"), Message("user", "a\nb")),)


def test_an_answer_can_be_sent_back():
    """The nulls of an assistant's message, as clients echo them, are accepted."""
    nulls = dict.fromkeys(["refusal", "tool_calls", "function_call", "audio", "name"])

    assert parse_chat(CHAT | assistant(**nulls)).inputs == ((Message("assistant", "a"),),)


@pytest.mark.parametrize(
    ("change", "kind", "parameter"),
    [
        ({"messages": []}, InvalidValue, "messages"),
        ({"messages": None}, InvalidType, "messages"),
        ({"messages": "hi"}, InvalidType, "messages"),
        ({"messages": [3]}, InvalidType, "messages[0]"),
        ({"messages": [{"content": "x"}]}, MissingParameter, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, MissingParameter, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": ""}]}, InvalidValue, "messages[0].role"),
        (user(None), InvalidType, "messages[0].content"),
        (user([]), InvalidValue, "messages[0].content"),
        (user([{"type": "image_url"}]), InvalidValue, "messages[0].content[0].type"),
        (user([{"type": "text", "text": 1}]), InvalidType, "messages[0].content[0].text"),
        (
            user([{"type": "text", "text": "", "x": 1}]),
            UnknownParameter,
            "messages[0].content[0].x",
        ),
        (assistant(tool_calls=[]), UnsupportedParameter, "messages[0].tool_calls"),
        (assistant(name="x"), UnsupportedParameter, "messages[0].name"),
        (assistant(extra=1), UnknownParameter, "messages[0].extra"),
        ({"model": None}, InvalidType, "model"),
        ({"temperature": 2.1}, InvalidValue, "temperature"),
        ({"temperature": "1"}, InvalidType, "temperature"),
        ({"temperature": True}, InvalidType, "temperature"),
        ({"temperature": float("inf")}, InvalidValue, "temperature"),
        ({"temperature": 10**400}, InvalidValue, "temperature"),
        ({"top_p": 0}, InvalidValue, "top_p"),
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
        ({"top_k": 5}, UnknownParameter, "top_k"),
        ({"top_k": None}, UnknownParameter, "top_k"),
    ],
)
def test_chat_faults_name_their_place(change, kind, parameter):
    """A fault is of its kind and names the place in the body."""
    with pytest.raises(GatewayError) as caught:
        parse_chat(CHAT | change)

    assert (type(caught.value), caught.value.parameter) == (kind, parameter)


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
    """`store: 0` is not `store: false`."""
    with pytest.raises(UnsupportedParameter):
        parse_chat(CHAT | {"store": 0})


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
    assert parse_text(TEXT | {"echo": False}).sampling == Sampling(max_tokens=16)


def test_choices_of_one_prompt_differ_in_seed_and_id():
    """Each choice has its own request id, and its own seed that stays an int64."""
    ask = parse_text({"model": "big", "prompt": ["a", "b"], "n": 2, "seed": 2**63 - 1})

    prompts = [ask.prompt(index, "id", 1.0) for index in range(ask.choices)]

    assert [(p.request_id, p.text, p.sampling.seed) for p in prompts] == [
        ("id-0", "a", 2**63 - 1),
        ("id-1", "a", -(2**63)),
        ("id-2", "b", 2**63 - 1),
        ("id-3", "b", -(2**63)),
    ]


def test_a_single_choice_keeps_the_request_id():
    """A request with one answer passes its id on as it is."""
    assert parse_chat(CHAT).prompt(0, "id", 1.0).request_id == "id"
