"""Requests as llama.cpp's server gets them; needs no model."""

import json
from typing import Any

import pytest

from deployments.answer_forms import Form, matcher_of
from deployments.control_tokens import ControlTokens
from deployments.engines._llama_options import LlamaOptions
from deployments.engines._llama_requests import ServedModel, read_request
from deployments.protocol import InvalidPrompt
from tests.model_requests import chat, completion

MODEL = ServedModel(LlamaOptions(max_context_tokens=512), calling="native")
CALL = {"id": "a", "type": "function", "function": {"name": "f"}}


def body_of(request: Any, tokens: tuple[str, ...] = ()) -> Any:
    return json.loads(read_request(request, MODEL, ControlTokens(tokens)).bodies[0])


def arguments_of(given: str) -> Any:
    """Of a call in the conversation, as the server gets it."""
    call = CALL | {"function": CALL["function"] | {"arguments": given}}
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "tool_calls": [call]}]
    (sent,) = body_of(chat(messages=turns))["messages"][1]["tool_calls"]
    return json.loads(sent["function"]["arguments"])


@pytest.mark.parametrize("learned", [True, False])
def test_a_specialist_that_learned_calls_writes_one_and_as_long_as_it_likes(learned) -> None:
    """It learned where they end; a name that is cut to a few characters would be wrong."""
    parameters = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    options = LlamaOptions(default_bounded_schemas=True, default_max_tokens=512)
    model = ServedModel(options, learned_calls=learned)
    form = read_request(chat(tools=[tool]), model, ControlTokens(())).form
    long, short = (
        f'<tool_call>\n{{"name": "f", "arguments": {{"a": "{"x" * length}"}}}}\n</tool_call>'
        for length in (400, 9)
    )

    assert form is not None
    assert _follows(form, long) is learned
    assert _follows(form, f"{short}\n{short}") is not learned
    assert _follows(form, short)


def _follows(form: Form, answer: str) -> bool:
    return bool(matcher_of(form).validate_tokens([*answer.encode()]) == len(answer))


def test_the_other_name_of_a_penalty_is_known() -> None:
    """It counts for the whole context, as where the name comes from."""
    body = body_of(completion(repetition_penalty=1.2))

    assert (body["repeat_penalty"], body["repeat_last_n"]) == (1.2, 512)
    assert "repetition_penalty" not in body


def test_what_a_template_is_told_goes_on() -> None:
    """It is a client's text, in which no control token can be read."""
    kwargs = {"enable_thinking": False, "style": "<|end|>"}
    body = body_of(chat(chat_template_kwargs=kwargs), ("<|end|>",))

    assert body["chat_template_kwargs"]["enable_thinking"] is False
    assert "<|end|>" not in body["chat_template_kwargs"]["style"]


def test_a_template_that_is_told_too_much_is_refused() -> None:
    with pytest.raises(InvalidPrompt) as refused:
        body_of(chat(chat_template_kwargs={"style": "a" * 9000}))

    assert refused.value.parameter == "chat_template_kwargs"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ('{"x": 1}', {"x": 1}),
        ("", {}),
        (' {"x": 1, ', {"arguments": ' {"x": 1, '}),
        ("[1]", {"arguments": "[1]"}),
    ],
    ids=["an object", "none", "cut off", "no object"],
)
def test_arguments_of_earlier_calls_can_be_read(given: str, read: object) -> None:
    """By the template, whatever a model wrote."""
    assert arguments_of(given) == read
