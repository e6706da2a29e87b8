"""The tool calls of an answer, as clients need them.

Each id carries the model's mark. In a stream each delta has the index of its call, and the id and
the name come once, with the first. Servers differ there: some repeat the id in each delta or make
up another one, some leave out the index, and some give one index to several calls.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deployments.protocol import ModelRequest
from deployments.tool_call_ids import marked

Call = dict[str, Any]
"""A call, or the delta of one, in OpenAI's shape. What else a server puts there stays."""

_ONCE = ("id", "type")
_ID_LENGTH = 9
"""Of ids made here: letters and digits, as many as the strictest template wants."""


@dataclass(slots=True)
class _Choice:
    """The calls of a choice so far: their own ids, those that have a name, and the last one with
    each of the server's indices."""

    ids: list[str] = field(default_factory=list)
    named: set[int] = field(default_factory=set)
    by_index: dict[int | None, int] = field(default_factory=dict)


class ToolCalls:
    """Writes the tool calls of the answer to one request."""

    def __init__(self, request: ModelRequest) -> None:
        self._request = request
        self._choices: dict[int, _Choice] = {}

    def deltas(self, calls: Sequence[Call], choice: int = 0) -> list[Call]:
        """The deltas of an event, in the order in which they come."""
        return [self._delta(call, choice) for call in calls]

    def whole(self, calls: Sequence[Call], choice: int = 0) -> list[Call]:
        """The calls of a whole answer."""
        written = self.deltas([call | {"index": at} for at, call in enumerate(calls)], choice)
        return [{key: call[key] for key in call if key != "index"} for call in written]

    def _delta(self, call: Call, number: int) -> Call:
        choice = self._choices.setdefault(number, _Choice())
        index, function = call.get("index"), call.get("function")
        index = index if isinstance(index, int) else None
        function = function if isinstance(function, dict) else {}
        if isinstance(function.get("arguments"), dict):  # OpenAI's are JSON as text
            arguments = json.dumps(function["arguments"], ensure_ascii=False)
            function = function | {"arguments": arguments}
            call = call | {"function": function}
        known, own = choice.by_index.get(index), str(call.get("id") or "")
        if known is None or (function.get("name") and own not in ("", choice.ids[known])):
            known = choice.by_index[index] = len(choice.ids)
            # An id of its own for every call, as their results are told apart by nothing else.
            choice.ids.append(own or self._new_id(f"{number}_{known}"))
            if function.get("name"):
                choice.named.add(known)
            once = {"id": marked(choice.ids[known], self._request.model), "type": "function"}
            return call | {"index": known} | once
        rest = {key: value for key, value in call.items() if key not in _ONCE}
        if known in choice.named and function:
            rest["function"] = {key: function[key] for key in function if key != "name"}
        elif function.get("name"):
            choice.named.add(known)
        return rest | {"index": known}

    def _new_id(self, place: str) -> str:
        digest = hashlib.sha256(f"{self._request.response_id}_{place}".encode())
        return digest.hexdigest()[:_ID_LENGTH]


def with_readable_calls(turn: Mapping[str, Any]) -> dict[str, Any]:
    """A turn of the conversation so far, for templates that read the arguments of its calls."""
    calls = turn.get("tool_calls")
    return {**turn, "tool_calls": [_readable(call) for call in calls]} if calls else dict(turn)


def _readable(call: Call) -> Call:
    """A call; of arguments that broke off, and are no JSON object, the text is one."""
    function = call.get("function")
    if not isinstance(function, dict):
        return call
    given = function.get("arguments")
    if not isinstance(given, str) or _is_object(given):
        return call
    arguments = json.dumps({"arguments": given}, ensure_ascii=False) if given.strip() else "{}"
    return call | {"function": function | {"arguments": arguments}}


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
