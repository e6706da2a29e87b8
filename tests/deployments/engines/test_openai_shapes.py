"""What servers of many kinds send, as in `shapes.json`, and what the client gets of it.

Of each shape there is `right`: each choice's `text` and `finish`, the `usage` (prompt and
completion tokens), values that are `kept` or joined to a `whole`; or the `error`, and the text
before it.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deployments import protocol
from deployments.engines._openai_answers import StreamedAnswer, WholeAnswer
from deployments.engines._openai_requests import Wanted
from tests.deployments.upstream import (
    CHUNKED,
    END,
    Upstream,
    connected,
    event,
    fields_of,
    request,
    text_of,
)

SHAPES = json.loads((Path(__file__).parent / "shapes.json").read_text(encoding="utf-8"))
USAGE = {"stream_options": {"include_usage": True}}

shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape["case"])


@dataclass
class Answer:
    """What came, and how it ended."""

    chunks: list[protocol.Chunk] = field(default_factory=list)
    error: str | None = None


def body_of(shape) -> bytes:
    pieces = shape["body"]
    return b"".join(piece.encode() if isinstance(piece, str) else event(piece) for piece in pieces)


def read(body: bytes, wanted: Wanted, size: int) -> Answer:
    """What a body becomes that arrives in pieces of a size."""
    answer = Answer()
    reading = StreamedAnswer(request(), wanted)
    try:
        for start in range(0, len(body), size):
            answer.chunks.extend(reading.feed(body[start : start + size]))
        answer.chunks.extend(reading.end(1.0))
    except protocol.BackendError as error:
        answer.error = type(error).__name__
    return answer


def finish_of(chunks) -> dict[str, str]:
    """The finish reasons in the data, the last of each choice."""
    choices = [choice for fields in fields_of(chunks) for choice in fields["choices"]]
    return {str(one["index"]): one["finish_reason"] for one in choices if one.get("finish_reason")}


def holds(value, key, wanted) -> bool:
    """Whether a value is found under a key, at any depth."""
    if isinstance(value, list):
        return any(holds(item, key, wanted) for item in value)
    if not isinstance(value, dict):
        return False
    found = key in value and value[key] == wanted
    return found or any(holds(item, key, wanted) for item in value.values())


def check(answer: Answer, right, kept=()) -> None:
    """Compares a stream with what is right."""
    assert answer.error == right.get("error")
    if answer.error:
        assert text_of(answer.chunks) == right.get("text_before", "")
        return
    chunks = answer.chunks
    assert {index: text_of(chunks, int(index)) for index in right["text"]} == right["text"]
    assert finish_of(chunks) == right["finish"]
    assert {str(index): reason for chunk in chunks for index, reason in chunk.finish_reasons} == (
        right["finish"]
    )
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    check_usage(chunks[-1].usage, right)
    for key, value in {**right.get("kept", {}), **dict(kept)}.items():
        assert holds(fields_of(chunks), key, value), key


def check_usage(usage, right) -> None:
    if "usage" in right:
        assert [usage.prompt_tokens, usage.completion_tokens] == right["usage"]
    assert usage.cached_tokens == right.get("cached", 0)


@shapes
@pytest.mark.parametrize("size", [10**9, 1], ids=["in one piece", "byte by byte"])
def test_a_stream_becomes_chunks(shape, size):
    """Of any server, whose stream is cut anywhere; each chunk has the request's identity, and none
    a usage that the client did not ask for."""
    answer = read(body_of(shape), Wanted(), size)

    check(answer, shape["right"])
    for fields in fields_of(answer.chunks):
        assert (fields["id"], fields["created"], fields["model"]) == ("answer-1", 17, "remote")
        assert fields["object"] == "chat.completion.chunk"
        assert "usage" not in fields


@shapes
def test_a_stream_ends_with_the_usage_if_it_is_wanted(shape):
    """One event has it, the last one, whatever the server sends and where."""
    answer = read(body_of(shape), Wanted(usage=True), 10**9)

    right = shape["right"]
    check(answer, right, right.get("kept_with_usage", {}).items())
    if not answer.error:
        *before, last = fields_of(answer.chunks)
        usage = answer.chunks[-1].usage
        assert last["choices"] == []
        assert last["usage"]["prompt_tokens"] == usage.prompt_tokens
        assert last["usage"]["completion_tokens"] == usage.completion_tokens
        assert last["usage"]["total_tokens"] == usage.prompt_tokens + usage.completion_tokens
        assert [fields.get("usage") for fields in before] == [None] * len(before)


@shapes
def test_a_stream_that_nobody_asked_for_becomes_a_whole_answer(shape):
    """Its events are joined: texts and arguments continue, names and ids do not."""
    right = shape["right"]
    reading = WholeAnswer(request(), Wanted())
    error = None
    try:
        reading.feed(body_of(shape))
        chunk = reading.end(1.0)
    except protocol.BackendError as raised:
        error = type(raised).__name__
        chunk = None

    assert error == right.get("error")
    if chunk is None:
        return
    whole = json.loads(chunk.data)
    assert (whole["object"], whole["id"]) == ("chat.completion", "answer-1")
    assert {index: text_of([chunk], int(index)) for index in right["text"]} == right["text"]
    assert finish_of([chunk]) == right["finish"]
    assert {str(index): reason for index, reason in chunk.finish_reasons} == right["finish"]
    check_usage(chunk.usage, right)
    assert whole["usage"]["completion_tokens"] == chunk.usage.completion_tokens == chunk.tokens
    for key, value in right.get("whole", {}).items():
        assert holds(whole["choices"], key, value), key


@shapes
async def test_a_server_that_sends_it_all_at_once_is_understood(shape):
    """Over a connection, with the headers and the end in one packet."""
    body = body_of(shape)
    upstream = Upstream()
    upstream.sends(CHUNKED + (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + END)
    answer = Answer()

    async with connected(upstream) as engine:
        try:
            async for chunk in engine.stream(request()):
                answer.chunks.append(chunk)
        except protocol.BackendError as error:
            answer.error = type(error).__name__

    check(answer, shape["right"])
