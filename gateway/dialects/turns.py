"""The messages of a chat: what the router sees of them, what a model reads, and what they need.

A model reads the messages as the client wrote them, but for three things: parts become their text
where all are text, what answers carry beyond OpenAI's keys is left out, and the ids of tool calls
are those that the model's engine gave. The generalist reads bare answers of specialists with words
around them.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from deployments.capability import Capability
from deployments.protocol import Message
from deployments.tool_call_ids import own_id, tag_in
from gateway.dialects.schemas import (
    AssistantMessage,
    ChatTurn,
    DeveloperMessage,
    ImagePart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolMessage,
)
from gateway.errors import InvalidValue, MissingParameter
from router import bare_answers

_INSIDE = "data:image/"
_SCHEMES = (_INSIDE, "https://", "http://")

_BREAKPOINT = "prompt_cache_breakpoint"

_Part = TextPart | ImagePart | RefusalPart


@dataclass(frozen=True, slots=True)
class Image:
    """An image: itself, as a `data:` URL, or where it is; `place` is that of its URL."""

    place: str
    url: str

    @property
    def is_remote(self) -> bool:
        """Whether somebody has to fetch it."""
        return not self.url.startswith(_INSIDE)


def seen(turns: Sequence[ChatTurn]) -> tuple[Message, ...]:
    """What the router sees: the roles and the text."""
    return tuple(Message(_role(turn), _text(_said(turn))) for turn in turns)


def for_model(turns: Sequence[ChatTurn]) -> list[dict[str, Any]]:
    """The messages for a model."""
    return [_for_model(turn) for turn in turns]


def images(turns: Sequence[ChatTurn]) -> Iterator[Image]:
    """The images, in order."""
    for index, turn in enumerate(turns):
        for place, part in _images(index, turn):
            yield Image(f"{place}.image_url.url", part.image_url.url)


def with_images(messages: Iterable[dict[str, Any]], urls: Iterable[str]) -> list[dict[str, Any]]:
    """Messages for a model with these URLs, in order, instead of those of all images."""
    rest = iter(urls)

    def seen(part: dict[str, Any]) -> dict[str, Any]:
        if part["type"] != "image_url":
            return part
        return part | {"image_url": part["image_url"] | {"url": next(rest)}}

    return [
        message | {"content": [seen(part) for part in content]}
        if isinstance(content := message["content"], list)
        else message
        for message in messages
    ]


def introduced(messages: Sequence[dict[str, Any]], places: Container[int]) -> list[dict[str, Any]]:
    """Messages for a model, with words around the bare answers at these places."""
    return [
        message | {"content": bare_answers.introduced(message["content"], at)}
        if at in places
        else message
        for at, message in enumerate(messages)
    ]


def caller(turns: Sequence[ChatTurn]) -> str | None:
    """What stands for the model whose tool calls the conversation is at, as
    `deployments.tool_call_ids` has it; None: at none, or at those of an unknown model."""
    for turn in reversed(turns):
        if isinstance(turn, AssistantMessage):
            tags = (tag_in(call.id) for call in _calls(turn))
            return next((tag for tag in tags if tag is not None), None)
    return None


def needs(turns: Sequence[ChatTurn]) -> dict[Capability, str]:
    """What a model must be able to do, and the first place that says so."""
    found: dict[Capability, str] = {}
    for index, turn in enumerate(turns):
        if isinstance(turn, ToolMessage) or _calls(turn):
            found.setdefault(Capability.TOOLS, f"messages[{index}]")
        for place, _ in _images(index, turn):
            found.setdefault(Capability.IMAGES, place)
    return found


def unheard(turns: Sequence[ChatTurn]) -> tuple[str, ...]:
    """The names of hints in parts, of which no model hears."""
    for turn in turns:
        for part in turn.content if isinstance(turn.content, list) else ():
            if getattr(part, _BREAKPOINT, None) is not None:
                return (_BREAKPOINT,)
    return ()


def check(turns: Sequence[ChatTurn]) -> None:
    """Checks what the types do not.

    Raises:
        GatewayError: an assistant's message says nothing, a result has no call before it, or an
            image is neither there nor at a web address.
    """
    called: set[str] = set()
    for index, turn in enumerate(turns):
        if isinstance(turn, AssistantMessage):
            _check_answer(index, turn)
            called.update(call.id for call in _calls(turn))
        elif isinstance(turn, ToolMessage) and turn.tool_call_id not in called:
            place = f"messages[{index}].tool_call_id"
            raise InvalidValue(f"{place}: no message before it has a call with this id.", place)
    for image in images(turns):
        if not image.url.startswith(_SCHEMES):
            raise InvalidValue(
                f"{image.place}: send the image itself, as {_INSIDE}..., or its https:// URL.",
                image.place,
            )


def _check_answer(index: int, turn: AssistantMessage) -> None:
    beside = (turn.refusal, turn.reasoning_content, turn.reasoning)
    if turn.content is msgspec.UNSET and not _calls(turn) and beside == (None, None, None):
        place = f"messages[{index}].content"
        raise MissingParameter(f"{place}: required, but missing.", place)


def _calls(turn: ChatTurn) -> Sequence[ToolCall]:
    return (turn.tool_calls or ()) if isinstance(turn, AssistantMessage) else ()


def _role(turn: ChatTurn) -> str:
    return "system" if isinstance(turn, DeveloperMessage) else str(turn.__struct_config__.tag)


def _said(turn: ChatTurn) -> str | Sequence[_Part]:
    """The content, and of a model that refused, its words."""
    if not isinstance(turn, AssistantMessage):
        return turn.content
    content = turn.content or ""
    if not turn.refusal:
        return content
    parts = [TextPart(content)] if isinstance(content, str) else content
    return [*(parts if content else ()), RefusalPart(turn.refusal)]


def _text(said: str | Sequence[_Part]) -> str:
    if isinstance(said, str):
        return said
    texts = (part.refusal if isinstance(part, RefusalPart) else part.text for part in _words(said))
    return "\n".join(texts)


def _words(said: Sequence[_Part]) -> Iterator[TextPart | RefusalPart]:
    return (part for part in said if not isinstance(part, ImagePart))


def _images(index: int, turn: ChatTurn) -> Iterator[tuple[str, ImagePart]]:
    """The images of a message, each with its place."""
    content = turn.content
    for number, part in enumerate(content if isinstance(content, list) else ()):
        if isinstance(part, ImagePart):
            yield f"messages[{index}].content[{number}]", part


def _for_model(turn: ChatTurn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": _role(turn), "content": _content(turn)}
    if turn.name is not None:
        message["name"] = turn.name
    if isinstance(turn, ToolMessage):
        message["tool_call_id"] = own_id(turn.tool_call_id)
    elif isinstance(turn, AssistantMessage):
        message |= _beside_the_words(turn)
    return message


def _content(turn: ChatTurn) -> Any:
    said = _said(turn)
    if not isinstance(said, str) and any(isinstance(part, ImagePart) for part in said):
        return [_part_for_model(part) for part in said]
    return _text(said)


def _part_for_model(part: _Part) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(part)
    fields.pop(_BREAKPOINT, None)
    return fields


def _beside_the_words(turn: AssistantMessage) -> dict[str, Any]:
    message: dict[str, Any] = {}
    if reasoning := turn.reasoning_content or turn.reasoning:
        message["reasoning_content"] = reasoning
    if calls := _calls(turn):
        message["tool_calls"] = [_call_for_model(call) for call in calls]
    return message


def _call_for_model(call: ToolCall) -> dict[str, Any]:
    function = call.function
    arguments = "{}" if function.arguments is None else function.arguments
    called = {"name": function.name, "arguments": arguments}
    return {"id": own_id(call.id), "function": called, "type": call.type}
