"""Joins the events of a stream to the whole answer that they amount to. Linear in their bytes."""

from collections.abc import Iterable
from typing import Any

import msgspec

from deployments.tool_calls import completed

_LABELS = frozenset({"id", "type", "role", "name", "format"})
"""Strings that name something: some servers repeat them in each delta."""

_GROWING = frozenset({"delta", "text", "logprobs"})
"""What grows from event to event in a choice; of its other values the last one counts."""


def joined(events: Iterable[bytes], *, chat: bool) -> dict[str, Any]:
    """The whole answer of a stream's events, which have at least one choice."""
    whole: dict[str, Any] = {}
    choices: dict[int, list[dict[str, Any]]] = {}
    for event in events:
        fields = msgspec.json.decode(event)
        for choice in fields.pop("choices"):
            choices.setdefault(choice["index"], []).append(choice)
        whole |= {key: value for key, value in fields.items() if value is not None}
    whole["choices"] = [_choice(choices[index], chat=chat) for index in sorted(choices)]
    return whole


def _choice(pieces: list[dict[str, Any]], *, chat: bool) -> dict[str, Any]:
    choice = {}
    for key in _keys(pieces):
        values = _values(pieces, key)
        grows = key in _GROWING or isinstance(values[-1], list)
        choice[key] = merged(values) if grows else values[-1]
    if chat:
        message = {"role": "assistant", "content": None} | choice.pop("delta")
        if isinstance(calls := message.get("tool_calls"), list):
            message["tool_calls"] = [
                completed(call) if isinstance(call, dict) else call for call in calls
            ]
        choice["message"] = message
    return choice


def merged(values: list[Any]) -> Any:
    """What a series of deltas amounts to: strings and lists continue each other, items of lists
    with an `index` are merged by it, objects key by key; of other values the last one counts."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {str}:
        return "".join(filter(None, values))
    if kinds == {dict}:
        objects = [value for value in values if value is not None]
        return {key: _merged_key(key, _values(objects, key)) for key in _keys(objects)}
    if kinds == {list}:
        return _merged_items([item for value in values for item in value or ()])
    return values[-1]


def _merged_key(key: str, values: list[Any]) -> Any:
    if key in _LABELS:
        return next((value for value in values if value), values[-1])
    return merged(values)


def _merged_items(items: list[Any]) -> list[Any]:
    if not all(isinstance(item, dict) and isinstance(item.get("index"), int) for item in items):
        return items
    groups: dict[int, list[Any]] = {}
    for item in items:
        groups.setdefault(item["index"], []).append(item)
    return [merged(groups[index]) for index in sorted(groups)]


def _keys(objects: list[dict[str, Any]]) -> dict[str, None]:
    """The keys of several objects, in the order in which they come up."""
    return dict.fromkeys(key for fields in objects for key in fields)


def _values(objects: list[dict[str, Any]], key: str) -> list[Any]:
    """The values of a key, without nulls if there are others."""
    found = [fields[key] for fields in objects if fields.get(key) is not None]
    return found or [None]
