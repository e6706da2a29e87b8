"""The text in an answer: in its bytes, for what compares answers, and in the content of a message,
for other dialects than the one that a server spoke.

Most servers write a text; some list parts, thoughts among them.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

Content = str | list[Any] | None


def words_in(content: Content) -> str:
    """What is said in a content, without its thoughts."""
    return content if isinstance(content, str) else "".join(_texts(content or ()))


def thoughts_in(content: Content) -> str:
    """The thoughts in a content."""
    parts = content if isinstance(content, list) else ()
    thoughts = (part.get("thinking") for part in parts if isinstance(part, dict))
    return "".join(words_in(of) for of in thoughts if isinstance(of, str | list))


def _texts(parts: list[Any] | tuple[()]) -> Iterator[str]:
    for part in parts:
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str):
            yield text


class _Said(msgspec.Struct):
    content: Content = None


class _Choice(msgspec.Struct):
    delta: _Said | None = None
    message: _Said | None = None
    text: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]


_DECODER = msgspec.json.Decoder(_Answer)


def text_of(data: bytes) -> str:
    """The text of the first choice in a chunk or a whole answer; empty if it has none."""
    for choice in _DECODER.decode(data).choices[:1]:
        said = choice.delta or choice.message
        return words_in(choice.text if said is None else said.content)
    return ""
