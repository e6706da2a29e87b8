"""The tool calls of an answer, as clients need them.

Each id carries the model's mark. In a stream each delta has the index of its call, and the id and
the name come once, with the first. Servers differ there: some repeat the id in each delta or make
up another one, some leave out the index or the id, some give one index to several calls, and some
tell the name after the id.
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
class _Known:
    """A call so far.

    Attributes:
        index: the client's, once the call was told.
        id, name: its own.
        arguments: their pieces.
        held: what the server said before the name, which clients get with it.
    """

    index: int | None = None
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    held: Call | None = None

    def is_followed(self, own: str, name: str, arguments: str, *, in_event: bool) -> bool:
        """Whether a piece with the same index is of another call; `in_event`: after one with a name
        in the same event."""
        if self.index is None or not name:
            return False
        if own:
            return own != self.id
        # Some repeat the name in each delta: one without arguments may be the last.
        return name != self.name or in_event or (bool(arguments) and self._is_whole())

    def _is_whole(self) -> bool:
        text = "".join(self.arguments).rstrip()
        return text.endswith("}") and _is_object(text)


@dataclass(slots=True)
class _Choice:
    """The calls of a choice so far: how many were told, the last one with each of the server's
    indices, and the indices that had a name in this event."""

    number: int
    told: int = 0
    by_index: dict[int | None, _Known] = field(default_factory=dict)
    named: set[int | None] = field(default_factory=set)


class ToolCalls:
    """Writes the tool calls of the answer to one request.

    Attributes:
        held: how many calls wait for their name.
    """

    def __init__(self, request: ModelRequest) -> None:
        self.held = 0
        self._request = request
        self._choices: dict[int, _Choice] = {}

    def deltas(self, calls: Sequence[Call], choice: int = 0, *, ends: bool = False) -> list[Call]:
        """The deltas of an event, in the order in which they come. One without a name is held back
        until that comes, or until the choice `ends`."""
        known = self._choices.setdefault(choice, _Choice(choice))
        known.named.clear()
        written = [delta for call in calls if (delta := self._delta(call, known)) is not None]
        if ends and self.held:
            waiting = [call for call in known.by_index.values() if call.held is not None]
            written += [self._first(call, known) for call in waiting]
        return written

    def whole(self, calls: Sequence[Call], choice: int = 0) -> list[Call]:
        """The calls of a whole answer."""
        return [
            completed(delta)
            for index, call in enumerate(calls)
            for delta in self.deltas([call | {"index": index}], choice, ends=True)
        ]

    def _delta(self, call: Call, choice: _Choice) -> Call | None:
        index, function = call.get("index"), _function(call.get("function"))
        index = index if isinstance(index, int) else None
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        own, in_event = str(call.get("id") or ""), index in choice.named
        if name:
            choice.named.add(index)
        known = choice.by_index.get(index)
        if known is None or known.is_followed(own, name, arguments, in_event=in_event):
            known = choice.by_index[index] = _Known()
        known.arguments.append(arguments)
        if known.index is None:
            return self._begun(known, call | {"function": function}, choice)
        rest = {key: value for key, value in call.items() if key not in _ONCE}
        if "function" in rest:
            rest["function"] = {key: function[key] for key in function if key != "name"}
        return rest | {"index": known.index}

    def _begun(self, known: _Known, call: Call, choice: _Choice) -> Call | None:
        """The first delta of a call, if this piece has the name or one before it had."""
        known.id = known.id or str(call.get("id") or "")
        known.name = call["function"].get("name") or ""
        if known.held is not None:
            function = known.held["function"] | call["function"]
            call = known.held | call | {"function": function}
            self.held -= 1
        known.held = call
        self.held += 1
        return self._first(known, choice) if known.name else None

    def _first(self, known: _Known, choice: _Choice) -> Call:
        """The first delta of a call, with all that is known of it."""
        call, known.held = known.held or {}, None
        self.held -= 1
        known.index, choice.told = choice.told, choice.told + 1
        # An id of its own for every call, as their results are told apart by nothing else.
        known.id = known.id or self._new_id(f"{choice.number}_{known.index}")
        told = {"name": known.name, "arguments": "".join(known.arguments)}
        return call | {
            "index": known.index,
            "id": marked(known.id, self._request.model),
            "type": "function",
            "function": call["function"] | told,
        }

    def _new_id(self, place: str) -> str:
        digest = hashlib.sha256(f"{self._request.response_id}_{place}".encode())
        return digest.hexdigest()[:_ID_LENGTH]


def completed(call: Call) -> Call:
    """A call of a whole answer, of all that its deltas said: with arguments, and without their
    index."""
    function = call.get("function")
    whole = {key: value for key, value in call.items() if key != "index"}
    if isinstance(function, dict) and not function.get("arguments"):
        whole["function"] = function | {"arguments": "{}"}
    return whole


def _function(function: Any) -> dict[str, Any]:
    """A function, or a piece of one: its name and its arguments are text, as OpenAI's are."""
    if not isinstance(function, dict):
        return {}
    arguments, name = function.get("arguments", ""), function.get("name", "")
    if not isinstance(arguments, str):
        text = "" if arguments is None else json.dumps(arguments, ensure_ascii=False)
        function = function | {"arguments": text}
    return function if isinstance(name, str) else function | {"name": ""}


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
