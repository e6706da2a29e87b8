"""How the deltas of a stream make one message."""

import json

import pytest

from deployments.engines._openai_joining import joined, merged


def joined_choices(*choices, chat=True):
    events = [json.dumps({"choices": [choice]}).encode() for choice in choices]
    return joined(events, chat=chat)["choices"]


@pytest.mark.parametrize(
    ("values", "whole"),
    [
        (["a", None, "b"], "ab"),
        ([None, None], None),
        ([1, 2], 2),
        ([{"a": "x"}, {"a": "y", "b": 1}, {"b": None}], {"a": "xy", "b": 1}),
        ([[1], [2, 3]], [1, 2, 3]),
        ([[{"index": 1, "a": "x"}], [{"index": 0}], [{"index": 1, "a": "y"}]], "by index"),
        ([{"id": "c", "type": "function"}, {"id": "c", "type": "function"}], "labels"),
        ([{"name": ""}, {"name": "f"}], {"name": "f"}),
        (["a", {"b": 1}], {"b": 1}),
    ],
    ids=["texts", "nulls", "numbers", "objects", "lists", "items", "labels", "empty", "kinds"],
)
def test_deltas_continue_each_other(values, whole):
    """Strings and lists go on, items with an index are one item, names are said once."""
    special = {
        "by index": [{"index": 0}, {"index": 1, "a": "xy"}],
        "labels": {"id": "c", "type": "function"},
    }
    assert merged(values) == (special.get(whole, whole) if isinstance(whole, str) else whole)


def test_a_message_is_made_of_deltas():
    """With a role, and calls that have no index, as in a whole answer."""
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a"'}}
    more = {"index": 0, "function": {"arguments": ":1}"}}
    (choice,) = joined_choices(
        {"index": 0, "delta": {"role": "assistant", "tool_calls": [call]}, "finish_reason": None},
        {"index": 0, "delta": {"tool_calls": [more]}, "finish_reason": "tool_calls", "x": 1},
    )

    assert choice == {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": '{"a":1}'}}],
        },
        "finish_reason": "tool_calls",
        "x": 1,
    }


def test_choices_are_in_their_order():
    """Whichever came first."""
    choices = joined_choices({"index": 1, "text": "b"}, {"index": 0, "text": "a"}, chat=False)

    assert [(choice["index"], choice["text"]) for choice in choices] == [(0, "a"), (1, "b")]


def test_logprobs_are_put_together():
    """In a chat's shape and in a completion's."""
    (chat,) = joined_choices(
        {"index": 0, "delta": {}, "logprobs": {"content": [{"token": "a"}], "refusal": None}},
        {"index": 0, "delta": {}, "logprobs": {"content": [{"token": "b"}]}},
        {"index": 0, "delta": {}, "logprobs": None},
    )
    (text,) = joined_choices(
        {"index": 0, "text": "a", "logprobs": {"tokens": ["a"], "text_offset": [0]}},
        {"index": 0, "text": "b", "logprobs": {"tokens": ["b"], "text_offset": [1]}},
        chat=False,
    )

    assert chat["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}], "refusal": None}
    assert text["logprobs"] == {"tokens": ["a", "b"], "text_offset": [0, 1]}
