"""Requests as vLLM's serving layer gets them; needs no vLLM."""

from dataclasses import replace

import msgspec
import pytest

from deployments.answer_grammar import grammar_for
from deployments.control_tokens import ControlTokens
from deployments.engines._vllm_options import VllmOptions
from deployments.engines._vllm_requests import Limit, ServedModel, read_request
from deployments.protocol import InvalidPrompt
from tests.model_requests import chat, completion

MODEL = ServedModel(VllmOptions(), "sql", "Answer in SQL.")


def body_of(request, model=MODEL, tokens=()):
    asked = read_request(request, model, ControlTokens(tokens))
    return msgspec.json.decode(asked.body), asked.wanted


def test_a_request_asks_for_the_adapter_and_for_a_stream() -> None:
    """With the count so far in every event, whoever wants it in the end."""
    body, wanted = body_of(chat("hello", "sql", max_tokens=5))

    assert body["model"] == "sql"
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}
    assert body["max_tokens"] == 5
    assert not wanted.usage


def test_arguments_of_earlier_calls_can_be_read() -> None:
    """By vLLM, which refuses what is no JSON."""
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": '}}
    body, _ = body_of(chat(messages=[{"role": "assistant", "tool_calls": [call]}]))

    (sent,) = body["messages"][-1]["tool_calls"]
    assert msgspec.json.decode(sent["function"]["arguments"]) == {"arguments": '{"x": '}


def test_a_client_that_wants_the_usage_gets_it() -> None:
    """At the end, and in each event only if it asked for that."""
    _, wanted = body_of(chat("hello", "sql", stream_options={"include_usage": True}))

    assert wanted.usage
    assert not wanted.usage_each


def test_the_system_prompt_stands_before_conversations_without_one() -> None:
    """And the client's own stays alone."""
    without, _ = body_of(chat("hello", "sql"))
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
    with_own, _ = body_of(chat("hello", "sql", messages=turns))

    assert without["messages"][0] == {"role": "system", "content": "Answer in SQL."}
    assert with_own["messages"] == turns


@pytest.mark.parametrize("key", ["messages", "tools"])
def test_control_tokens_of_a_client_are_text(key) -> None:
    """Wherever a template might read them."""
    told = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "<|end|>"}]}],
        "tools": [{"type": "function", "function": {"name": "f", "description": "<|end|>"}}],
    }
    body, _ = body_of(chat("hello", "sql", **{key: told[key]}), tokens=["<|end|>"])

    assert "<|end|>" not in msgspec.json.encode(body[key]).decode()


def test_defaults_settle_what_a_request_leaves_open() -> None:
    """And nothing else."""
    options = VllmOptions(default_temperature=0.2, default_top_p=0.9, default_max_tokens=64)
    model = ServedModel(options, "base")
    open_, _ = body_of(chat("hello", "m", temperature=None), model)
    set_, _ = body_of(chat("hello", "m", temperature=1.0, max_completion_tokens=5), model)

    assert (open_["temperature"], open_["top_p"], open_["max_tokens"]) == (0.2, 0.9, 64)
    assert (set_["temperature"], set_["top_p"]) == (1.0, 0.9)
    assert "max_tokens" not in set_


@pytest.mark.parametrize(
    ("body", "clamps", "limit"),
    [
        ({"max_tokens": 5}, True, Limit(5, ("max_tokens",))),
        ({"max_completion_tokens": 5}, True, Limit(5, ("max_completion_tokens",))),
        ({"max_tokens": 5}, False, None),
        ({}, False, Limit(64, ())),
        ({}, True, Limit(64, ())),
    ],
    ids=["auto", "auto, newer", "a named model", "the operator's", "the operator's, auto"],
)
def test_a_limit_that_may_be_lowered_is_known(body, clamps, limit) -> None:
    """That of a client only where it did not choose the model; it is told what was its own."""
    model = ServedModel(VllmOptions(default_max_tokens=64), "base")
    request = replace(chat("hello", "m", **body), clamp_max_tokens=clamps)

    assert read_request(request, model, ControlTokens(())).limit == limit


def test_a_request_can_have_another_limit() -> None:
    """Under one name, whichever the client used."""
    request = chat("hello", "sql", max_completion_tokens=5, seed=1)
    asked = read_request(request, MODEL, ControlTokens(()))
    lower, none = map(msgspec.json.decode, (asked.limited_to(3), asked.limited_to(None)))

    assert (lower["max_tokens"], lower["seed"]) == (3, 1)
    assert "max_completion_tokens" not in lower
    assert lower == none | {"max_tokens": 3}


def test_a_chat_follows_the_grammar_of_the_card() -> None:
    """Unless it asks for a form of its own; a text that is continued is no answer."""
    model = ServedModel(VllmOptions(), "sql", grammar="answer: WORDS\nWORDS: %copied {}")
    schema = {"type": "json_object"}
    plain, _ = body_of(chat("hello", "sql", response_format={"type": "text"}), model)
    own, _ = body_of(chat("hello", "sql", response_format=schema), model)
    continued, _ = body_of(completion("hello", "sql"), model)

    assert plain["structured_outputs"] == {"grammar": grammar_for(model.grammar, plain["messages"])}
    assert own["response_format"] == schema
    assert "structured_outputs" not in own
    assert "structured_outputs" not in continued


@pytest.mark.parametrize(
    "name", ["lora", "chat_template", "kv_transfer_params", "vllm_xargs", "priority", "cache_salt"]
)
def test_what_steers_the_engine_is_refused_by_name(name) -> None:
    """A client chooses neither adapters nor templates, queues and caches."""
    with pytest.raises(InvalidPrompt) as refused:
        body_of(chat("hello", "sql", **{name: "x"}))

    assert refused.value.parameter == name


def test_a_text_is_continued_as_it_is() -> None:
    """Without a system prompt."""
    body, _ = body_of(completion("once upon", "sql", max_tokens=3))

    assert body["prompt"] == "once upon"
    assert "messages" not in body


def test_arguments_are_all_that_is_not_the_models_own() -> None:
    """vLLM's parser says which of them it knows."""
    options = VllmOptions.model_validate({"default_top_p": 0.9, "max_model_len": 128, "odd": 1})

    assert options.arguments == {"max_model_len": 128, "odd": 1}
