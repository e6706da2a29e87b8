"""`deployments.frames`: what one process encodes the other decodes."""

import msgspec
import pytest

from deployments.frames import (
    PartReader,
    decode_chunk,
    decode_request,
    encode_chunk,
    encode_request,
    error_part,
)
from deployments.protocol import (
    Chunk,
    DeadlineExceeded,
    InvalidPrompt,
    ModelRequest,
    Overloaded,
    PromptTooLong,
    Unavailable,
    Usage,
)


@pytest.mark.parametrize(
    "request_",
    [
        ModelRequest("r1", "sql", "completion", b'{"prompt":"\xc3\xa9"}'),
        ModelRequest(
            request_id="r1",
            model="sql",
            operation="chat",
            body=b'{"messages":[]}',
            stream=True,
            response_id="chatcmpl-1",
            created=1_700_000_000,
            deadline_seconds=30.0,
            first_token_seconds=0.5,
            clamp_max_tokens=True,
            trace=(("traceparent", "00-1"), ("tracestate", "a=b")),
        ),
    ],
    ids=["defaults", "everything"],
)
def test_a_request_arrives_as_it_was(request_):
    """Every field, and the body byte by byte."""
    assert decode_request(encode_request(request_)) == request_


@pytest.mark.parametrize(
    "chunk",
    [
        Chunk(b'{"choices":[]}'),
        Chunk(
            data=b"{}",
            output=False,
            prompt_tokens=3,
            tokens=2,
            finish_reasons=((0, "stop"), (1, "tool_calls")),
            usage=Usage(3, 2, 1, 0.5, 0.1),
        ),
    ],
    ids=["defaults", "everything"],
)
def test_a_chunk_arrives_as_it_was(chunk):
    """Every field, and the data byte by byte."""
    assert decode_chunk(encode_chunk(chunk)) == chunk


def test_a_neighbouring_version_is_understood():
    """A field that is not known is ignored, one that is missing has its default."""
    frame = msgspec.msgpack.encode({"data": b"{}", "tokens": 2, "colour": "red"})

    assert decode_chunk(frame) == Chunk(b"{}", tokens=2)


def test_what_is_no_frame_is_an_error():
    """Bytes of another kind are not taken for a chunk."""
    with pytest.raises(msgspec.DecodeError):
        decode_chunk(b"{}")


@pytest.mark.parametrize(
    "error",
    [
        InvalidPrompt("top_p", "no"),
        PromptTooLong("messages", "no", "the server's words"),
        PromptTooLong("messages", "no", prompt_tokens=9),
        Overloaded("a", 2, 3.5, "wait"),
        Unavailable("a", "gone"),
        Unavailable("a", "gone", 20.0),
        DeadlineExceeded("a", 3.0),
    ],
    ids=["refused", "with words", "counted", "busy", "gone", "gone for a while", "late"],
)
def test_an_error_arrives_as_it_was(error):
    """With all of its facts."""
    with pytest.raises(type(error)) as raised:
        list(PartReader().read(error_part(error)))

    assert vars(raised.value) == vars(error)
