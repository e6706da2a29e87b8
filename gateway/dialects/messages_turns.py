"""The turns of a conversation in Anthropic's words, as the messages of a chat.

A chat has results of tools as messages of their own, right after the turn that called. Images in
results go into the user's message that follows, since a chat's results are text.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from gateway.dialects.messages_schemas import (
    AssistantTurn,
    Base64Source,
    ImageBlock,
    SystemTurn,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    UserTurn,
)

_Placed = tuple[str, dict[str, Any]]
"""A part of a chat's message, and where its block is in the client's body."""


class ChatMessages:
    """The messages of a chat, written turn by turn.

    Attributes:
        messages: as OpenAI's chat API has them.
        places: where each message, and each part of one, is in the client's body, by its place in
            the chat.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.places: dict[str, str] = {}

    def system(self, content: str | Sequence[TextBlock], place: str) -> None:
        """Adds instructions."""
        self._add("system", place, _parts(content, place))

    def turn(self, turn: UserTurn | AssistantTurn | SystemTurn, place: str) -> None:
        """Adds a turn."""
        match turn:
            case SystemTurn():
                self.system(turn.content, f"{place}.content")
            case UserTurn():
                self._user(turn, f"{place}.content")
            case AssistantTurn():
                self._assistant(turn, f"{place}.content")

    def _user(self, turn: UserTurn, place: str) -> None:
        shown: list[_Placed] = []
        for index, block in enumerate(turn.content):
            if isinstance(block, ToolResultBlock):
                shown += self._result(block, f"{place}[{index}]")
        shown += _parts(turn.content, place)
        if shown:
            self._add("user", place, shown)

    def _result(self, block: ToolResultBlock, place: str) -> Iterable[_Placed]:
        """Adds the result of a tool; returns its images."""
        parts = _parts(block.content, f"{place}.content")
        text = "\n".join(part["text"] for _, part in parts if part["type"] == "text")
        said = f"Error: {text}" if block.is_error else text
        self._add("tool", place, [], content=said, tool_call_id=block.tool_use_id)
        return [placed for placed in parts if placed[1]["type"] != "text"]

    def _assistant(self, turn: AssistantTurn, place: str) -> None:
        fields: dict[str, Any] = {}
        blocks = turn.content if isinstance(turn.content, list) else []
        if thoughts := [block.thinking for block in blocks if isinstance(block, ThinkingBlock)]:
            fields["reasoning_content"] = "\n".join(thoughts)
        calls = [(at, block) for at, block in enumerate(blocks) if isinstance(block, ToolUseBlock)]
        if calls:
            fields["tool_calls"] = [_call(block) for _, block in calls]
        said = _parts(turn.content, place)
        if not said:
            fields["content"] = None if calls else ""
        number = len(self.messages)
        self._add("assistant", place, said, **fields)
        for index, (at, _) in enumerate(calls):
            self.places[f"messages[{number}].tool_calls[{index}]"] = f"{place}[{at}]"

    def _add(self, role: str, place: str, parts: Sequence[_Placed], **fields: Any) -> None:
        own = f"messages[{len(self.messages)}]"
        self.places[own] = place
        for index, (of_block, _) in enumerate(parts):
            self.places[f"{own}.content[{index}]"] = of_block
        content = {"content": [part for _, part in parts]} if parts else {}
        self.messages.append({"role": role, **content, **fields})


def _parts(content: str | Sequence[Any], place: str) -> list[_Placed]:
    """What is text or an image of a content, as parts of a message."""
    if isinstance(content, str):
        return [(place, {"type": "text", "text": content})]
    return [
        (f"{place}[{index}]", _part(block))
        for index, block in enumerate(content)
        if isinstance(block, TextBlock | ImageBlock)
    ]


def _part(block: TextBlock | ImageBlock) -> dict[str, Any]:
    if isinstance(block, TextBlock):
        return {"type": "text", "text": block.text}
    source = block.source
    if isinstance(source, Base64Source):
        url = f"data:{source.media_type};base64,{source.data}"
    else:
        url = source.url
    return {"type": "image_url", "image_url": {"url": url}}


def _call(block: ToolUseBlock) -> dict[str, Any]:
    arguments = msgspec.json.encode(block.input).decode()
    function = {"name": block.name, "arguments": arguments}
    return {"id": block.id, "type": "function", "function": function}
