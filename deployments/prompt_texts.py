"""The texts of a request that a model has to read, and whether it has room for them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from deployments.prompt_room import PromptRoom
from deployments.protocol import INPUTS, ModelRequest, Operation, PromptTooLong

_END_OF_THOUGHTS = "</think>"
_COUNTED_TOKENS = 16_384
"""A prompt that is only to be counted may have so many tokens even where the context is shorter:
whoever asks wants to know by how much it is too long. Encoding takes less than a second of a core.
"""


def require_room(request: ModelRequest, room: PromptRoom) -> None:
    """Checks a request to a model before anything of it is encoded.

    Raises:
        PromptTooLong: a prompt of it cannot fit.
    """
    if len(request.body) <= room.context_tokens:  # no token has less than a byte
        return
    if not has_room(room, request.operation, msgspec.json.decode(request.body)):
        raise too_long(room, request.operation)


def has_room(room: PromptRoom, operation: Operation, fields: Mapping[str, Any]) -> bool:
    """Whether each prompt of a request with these of OpenAI's parameters may fit; of one that is to
    be counted, whether it is short enough to be encoded."""
    if operation == "count_tokens":
        room = replace(room, context_tokens=max(room.context_tokens, _COUNTED_TOKENS))
    return all(room.holds(texts) for texts in _prompts(operation, fields, room))


def too_long(room: PromptRoom, operation: Operation) -> PromptTooLong:
    """The error of a request without room."""
    most = room.context_tokens
    reason = f"more tokens than the maximum of {most}; shorten it"
    return PromptTooLong(INPUTS[operation], reason)


def _prompts(
    operation: Operation, fields: Mapping[str, Any], room: PromptRoom
) -> Iterator[Sequence[str]]:
    """The texts of each prompt. What is not text is not there, such as an image, or the number of a
    token."""
    given = fields.get(INPUTS[operation], ())
    if operation in ("chat", "count_tokens"):
        yield [text for message in given for text in _shown(message, room)]
        # A single answer never had more thoughts than its model has room.
        yield from ([text] for message in given for text in _thoughts(message, room))
        return
    query = [fields["query"]] if operation == "rerank" else []
    for text in [given] if isinstance(given, str) else given:
        if isinstance(text, str):
            yield [*query, text]


def _shown(message: Mapping[str, Any], room: PromptRoom) -> Iterator[str]:
    for text in _texts(message.get("content")):
        cut = room.hides_thoughts and message.get("role") == "assistant"
        yield text.rpartition(_END_OF_THOUGHTS)[2] if cut else text
    for call in message.get("tool_calls") or ():
        yield call["function"]["arguments"]


def _thoughts(message: Mapping[str, Any], room: PromptRoom) -> Iterator[str]:
    if message.get("role") == "assistant":
        if room.hides_thoughts:
            yield from _texts(message.get("content"))
        yield from _texts(message.get("reasoning_content"))


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (part["text"] for part in content if "text" in part)
