"""The text in an answer: in its bytes, for what compares answers."""

from typing import Any

import msgspec

from deployments.message_content import words_in


class _Said(msgspec.Struct):
    content: Any = None


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
