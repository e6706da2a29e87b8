"""Places in a chat are places in the request that it was made of."""

from typing import Any

import pytest

from gateway.dialects.responses import Chat, request_of, to_chat
from gateway.dialects.responses_places import place_of, responses_error
from gateway.errors import ErrorBody, ErrorDetail

IMAGE = {"role": "user", "content": [{"type": "input_image", "image_url": "u"}]}
CALL = {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "sunny"}


def chat(asked: Any, **change: Any) -> Chat:
    return to_chat(request_of({"model": "auto", "input": asked} | change))


@pytest.mark.parametrize(
    ("chats", "own"),
    [
        ("messages", "input"),
        ("messages[0].content", "instructions"),
        ("messages[1].content[0].image_url.url", "input[0].content[0].image_url"),
        ("messages[2].tool_calls[1].function.arguments", "input[2].arguments"),
        ("messages[3].tool_call_id", "input[3].call_id"),
        ("messages[3].content[0].text", "input[3].output[0].text"),
        ("tools[0].function.parameters", "tools[0].parameters"),
        ("tool_choice.function.name", "tool_choice.name"),
        ("response_format.json_schema.schema", "text.format.schema"),
        ("response_format", "text.format"),
        ("max_completion_tokens", "max_output_tokens"),
        ("temperature", "temperature"),
    ],
)
def test_each_place_of_a_chat_has_one(chats, own):
    """Also where several items became one turn."""
    found = chat([IMAGE, CALL, CALL, RESULT], instructions="Be brief.")

    assert place_of(chats, found.places) == own


def test_the_only_text_is_the_input():
    """Its place has no index."""
    assert place_of("messages[0].content", chat("hi").places) == "input"


def test_an_error_of_a_model_names_the_parameter():
    """By its name in this dialect."""
    body = ErrorBody(ErrorDetail("messages: too long.", "t", "messages", "invalid_prompt"))

    assert responses_error(body).error.param == "input"


def test_an_unknown_parameter_keeps_its_name():
    """The client wrote it."""
    body = ErrorBody(ErrorDetail("messages: unknown.", "t", "messages", "unknown_parameter"))

    assert responses_error(body) == body
