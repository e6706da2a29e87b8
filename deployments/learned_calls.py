"""Which calls of functions a specialist learned: single ones, from a user's words.

Its card has the functions that it was trained on. A request is for it if it describes these alone,
each with the same parameters; or any, where the card says that it calls functions that it never saw
better than its base does. What follows a call, its result, it never learned to read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_NOTES = frozenset({"$schema", "description", "examples", "title"})
"""Keys of a schema that allow and forbid nothing."""


@dataclass(frozen=True)
class LearnedCalls:
    """The calls that a specialist learned.

    Attributes:
        functions: OpenAI's descriptions of functions.
        others: whether requests with other functions are for it too.
    """

    functions: Sequence[Mapping[str, Any]]
    others: bool = False

    @property
    def names(self) -> list[str]:
        """Those of the functions."""
        return [function["name"] for function in self.functions]

    def serve(self, fields: Mapping[str, Any]) -> bool:
        """Whether a chat is one that it learned to answer.

        Args:
            fields: of a valid request, in OpenAI's words.
        """
        if any(
            message["role"] == "tool" or "tool_calls" in message for message in fields["messages"]
        ):
            return False
        asked = [tool["function"] for tool in fields.get("tools", ())]
        return self.others or all(self._knows(function) for function in asked)

    def _knows(self, function: Mapping[str, Any]) -> bool:
        return any(
            function["name"] == known["name"] and _parameters(function) == _parameters(known)
            for known in self.functions
        )


def _parameters(function: Mapping[str, Any]) -> Any:
    schema = {"type": "object", "properties": {}} | (function.get("parameters") or {})
    return _without_notes(schema)


def _without_notes(schema: Any) -> Any:
    """A schema without what is for its reader alone; names of properties are no such keys."""
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key not in _NOTES}
    if kept.get("required") == []:
        del kept["required"]
    for key, value in kept.items():
        if key == "properties":
            kept[key] = {name: _without_notes(inner) for name, inner in value.items()}
        elif key == "items":
            kept[key] = _without_notes(value)
    return kept
