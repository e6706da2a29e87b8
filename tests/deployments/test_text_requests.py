"""`deployments.text_requests`: what a text engine is asked, and what it refuses by name."""

from dataclasses import replace

import pytest

from deployments.generation import Prompt, Sampling
from deployments.protocol import InvalidPrompt, Message, ModelRequest
from deployments.text_requests import read_request
from tests.model_requests import chat, completion

USER = (Message("user", "hello"),)
USERS = {"role": "user", "content": "hello"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def only(request: ModelRequest) -> Prompt:
    [prompt] = read_request(request).prompts
    return prompt


def said(**message) -> ModelRequest:
    return chat(messages=[message])


def test_a_chat_is_one_prompt():
    """Its messages, id and deadline arrive; what is not said is the default."""
    request = replace(chat(), deadline_seconds=9.0)

    read = read_request(request)

    assert read.prompts == (Prompt("r1", USER, deadline_seconds=9.0),)
    assert (read.n, read.include_usage, read.logprobs) == (1, False, False)


def test_all_sampling_parameters_of_a_chat_arrive():
    """Each of them reaches the engine."""
    body = {
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

    assert only(chat(**body)).sampling == Sampling(
        max_tokens=5,
        temperature=0.0,
        top_p=0.5,
        presence_penalty=-2.0,
        frequency_penalty=2.0,
        seed=-(2**63),
        stop=("a", "b"),
        top_logprobs=20,
    )


@pytest.mark.parametrize(
    "body", [{"max_tokens": 5}, {"max_completion_tokens": 5}], ids=["older", "newer"]
)
def test_the_limit_of_a_chat_has_two_names(body):
    """Both say how many tokens."""
    assert only(chat(**body)).sampling.max_tokens == 5


def test_null_means_absent():
    """A parameter that is null is as if it were not there, even one that is not served."""
    names = ["max_tokens", "stop", "n", "logprobs", "stream_options", "tools", "never_heard_of"]

    assert read_request(chat(**dict.fromkeys(names))) == read_request(chat())


@pytest.mark.parametrize(
    ("body", "top_logprobs"),
    [
        ({"logprobs": True}, 0),
        ({"logprobs": True, "top_logprobs": 3}, 3),
        ({"logprobs": False}, None),
        ({}, None),
    ],
)
def test_logprobs_of_a_chat_have_a_switch_and_a_number(body, top_logprobs):
    """Those of the chosen tokens alone, with alternatives, or none."""
    read = read_request(chat(**body))

    assert read.prompts[0].sampling.top_logprobs == top_logprobs
    assert read.logprobs == (top_logprobs is not None)


@pytest.mark.parametrize("number", [0, 3, None])
def test_logprobs_of_a_completion_are_a_number(number):
    """The number of alternatives; 0 asks for the chosen tokens' own."""
    assert only(completion(logprobs=number)).sampling.top_logprobs == number


@pytest.mark.parametrize("stop", ["a", ["a"]])
def test_one_stop_string_needs_no_list(stop):
    """A string is a list of one."""
    assert only(chat(stop=stop)).sampling.stop == ("a",)


def test_parts_are_joined_and_a_developer_is_the_system():
    """The lines of a message's text parts; the newer name of the role."""
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    turns = [{"role": "developer", "content": "be brief"}, {"role": "user", "content": parts}]

    assert only(chat(messages=turns)).messages == (
        Message("system", "be brief"),
        Message("user", "a\nb"),
    )


def test_an_answer_can_be_sent_back():
    """The nulls of an assistant's message, as clients echo them, are accepted."""
    nulls = dict.fromkeys(["refusal", "tool_calls", "function_call", "audio", "name"])

    assert only(said(role="assistant", content="a", **nulls)).messages == (
        Message("assistant", "a"),
    )


def test_calls_and_their_results_are_text():
    """A call as the model wrote it, a result as it is."""
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    turns = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "22"},
    ]

    assert only(chat(messages=turns)).messages == (
        Message("assistant", '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'),
        Message("tool", "22"),
    )


def test_a_model_that_sees_may_get_images():
    """Of which a text engine knows that they are there."""
    parts = [{"type": "text", "text": "what is it?"}, IMAGE]
    [prompt] = read_request(chat(parts), images=True).prompts

    assert prompt.messages == (Message("user", "what is it?\n[image]"),)


def test_tools_and_schemas_are_the_form_of_an_answer():
    """With the names of the functions that may be called."""
    assert only(chat()).form is None
    assert only(chat(response_format={"type": "json_object"})).form.parameter == "response_format"
    called = only(chat(tools=[TOOL]))
    assert (called.form.parameter, called.form.calls, called.form.text) == ("tools", True, True)
    assert called.functions == ("f",)
    assert not only(chat(tools=[TOOL], tool_choice="required")).form.text
    assert only(chat(tools=[TOOL], tool_choice="none")).form is None


def test_a_default_is_the_gateways_to_write():
    """The engine adds none: upstreams get the same body."""
    assert only(completion()).sampling.max_tokens is None
    assert only(completion(max_tokens=99)).sampling.max_tokens == 99
    assert only(chat()).sampling.max_tokens is None


def test_each_choice_has_a_prompt_with_an_id_and_a_seed_of_its_own():
    """Choices of one input differ in their seed, those of the next begin with the first one
    again."""
    read = read_request(completion(["a", "b"], n=2, seed=2**63 - 1))

    assert [(prompt.request_id, prompt.text, prompt.sampling.seed) for prompt in read.prompts] == [
        ("r1-0", "a", 2**63 - 1),
        ("r1-1", "a", -(2**63)),
        ("r1-2", "b", 2**63 - 1),
        ("r1-3", "b", -(2**63)),
    ]
    assert read.n == 2


def test_choices_without_a_seed_differ_by_chance():
    """There is no seed to change."""
    assert [prompt.sampling.seed for prompt in read_request(chat(n=2)).prompts] == [None, None]


@pytest.mark.parametrize("options", [{"include_usage": True}, {"include_usage": False}, {}, None])
def test_the_usage_of_a_stream_comes_when_it_is_asked_for(options):
    """By `stream_options` alone."""
    read = read_request(chat(stream_options=options))

    assert read.include_usage == bool(options and options.get("include_usage"))


@pytest.mark.parametrize(
    "body",
    [
        {"user": "u", "metadata": {"a": "b"}},
        {"response_format": {"type": "text"}, "modalities": ["text"], "logit_bias": {}},
        {"store": False, "service_tier": "auto"},
    ],
    ids=["labels", "no wish in form", "no wish in service"],
)
def test_what_asks_for_nothing_passes(body):
    """A label, or a value that says what a text engine does anyway."""
    assert read_request(chat(**body)) == read_request(chat())


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tools": [TOOL], "tool_choice": {"function": {"name": "g"}}}, "tool_choice"),
        ({"response_format": {"type": "rhyme"}}, "response_format"),
        ({"store": 0}, "store"),
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"min_p": 0.1}, "min_p"),
        ({"stop": 3}, "stop"),
        ({"messages": [USERS, {"role": "user", "content": [IMAGE]}]}, "messages[1].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": "", "colour": "red"}]}, "messages"),
    ],
)
def test_what_a_text_engine_does_not_serve_is_named(body, parameter):
    """The parameter as the client wrote it; within messages, the messages."""
    with pytest.raises(InvalidPrompt) as refused:
        read_request(chat(**body))

    assert refused.value.parameter == parameter


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"prompt": [1, 2]}, "prompt"),
        ({"echo": True}, "echo"),
        ({"suffix": "x"}, "suffix"),
        ({"messages": []}, "messages"),
    ],
)
def test_so_is_what_it_does_not_serve_of_a_completion(body, parameter):
    """Tokens instead of text, and the older endpoint's own parameters."""
    request = replace(completion(**({"prompt": "x"} | body)), operation="completion")

    with pytest.raises(InvalidPrompt) as refused:
        read_request(request)

    assert refused.value.parameter == parameter
