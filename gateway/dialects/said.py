"""What other dialects read of a chat's message, or of a delta of it.

Servers differ in where they have what the model thought. What has a type that no chat has says
nothing: it stands beside an answer that is good.
"""

from typing import Any

import msgspec

from deployments.message_content import thoughts_in, words_in


class Function(msgspec.Struct, frozen=True):
    """The function of a call, or a piece of its arguments."""

    name: str | None = None
    arguments: str | None = None


_NO_FUNCTION = Function()


class Call(msgspec.Struct, frozen=True):
    """A call in a chat's message, or a piece of it."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None

    @property
    def called(self) -> Function:
        """Its function, or one of which nothing is known."""
        return self.function or _NO_FUNCTION


class Said(msgspec.Struct, frozen=True):
    """What is read of a message."""

    reasoning_content: Any = None
    reasoning: Any = None
    content: Any = None
    refusal: Any = None
    tool_calls: Any = None

    @property
    def thoughts(self) -> str:
        """What the model thought."""
        for told in (self.reasoning_content, self.reasoning):
            if told and isinstance(told, str):
                return told
        return thoughts_in(self.content)

    @property
    def words(self) -> str:
        """What it said."""
        return words_in(self.content)

    @property
    def refused(self) -> str:
        """What it said instead."""
        return self.refusal if isinstance(self.refusal, str) else ""

    @property
    def calls(self) -> list[Call]:
        """What it called."""
        return msgspec.convert(self.tool_calls, list[Call]) if self.tool_calls else []
