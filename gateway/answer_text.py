"""The text in an answer's bytes, for what compares answers; a request's own way never needs it."""

import msgspec


class _Said(msgspec.Struct):
    content: str | None = None


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
        return (said.content if said is not None else choice.text) or ""
    return ""
