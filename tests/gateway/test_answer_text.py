"""`gateway.answer_text`: the text of an answer, whatever else is in it."""

import json

import pytest

from gateway.answer_text import text_of

CALLS = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"message": {"content": "yes"}}, "yes"),
        ({"message": {"content": None, "tool_calls": CALLS}}, ""),
        ({"message": {"content": None, "refusal": "no"}}, ""),
        ({"delta": {"content": "yes"}}, "yes"),
        ({"delta": {"tool_calls": CALLS}}, ""),
        ({"delta": {"role": "assistant", "content": None}}, ""),
        ({"text": "yes"}, "yes"),
        ({"message": {"content": [{"type": "thinking", "thinking": "hm"}, "yes"]}}, "yes"),
    ],
    ids=["whole", "calls", "refusal", "piece", "piece of calls", "null", "completion", "parts"],
)
def test_text_of_an_answer(choice, text):
    """The content of the first choice; what is no text has none."""
    assert text_of(json.dumps({"choices": [choice]}).encode()) == text


def test_an_event_without_choices_has_no_text():
    """Such as the one with the usage."""
    assert text_of(b'{"choices":[]}') == ""
