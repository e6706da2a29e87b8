"""Requests, chunks and errors as bytes, between processes.

MessagePack with named fields: a field with a default may be missing, and an unknown one is ignored,
so a gateway and a replica of neighbouring versions understand each other.

By HTTP an answer is a sequence of parts: a kind (one byte), a length (four bytes, big-endian), and
a frame: a chunk, or the error that ends the answer.
"""

import struct
from collections.abc import Iterator

import msgspec

from deployments.protocol import (
    BackendError,
    Chunk,
    DeadlineExceeded,
    InvalidPrompt,
    ModelRequest,
    Overloaded,
    PromptTooLong,
    Unavailable,
)

_encode = msgspec.msgpack.Encoder().encode
_request = msgspec.msgpack.Decoder(ModelRequest)
_chunk = msgspec.msgpack.Decoder(Chunk)

_HEAD = struct.Struct(">BI")
_CHUNK, _ERROR = 0, 1
_ERRORS: dict[str, type[BackendError]] = {
    kind.__name__: kind
    for kind in (InvalidPrompt, PromptTooLong, Overloaded, Unavailable, DeadlineExceeded)
}


def encode_request(request: ModelRequest) -> bytes:
    """A request as one frame."""
    return _encode(request)


def decode_request(frame: bytes) -> ModelRequest:
    """The request in a frame; raises `msgspec.DecodeError` if there is none."""
    return _request.decode(frame)


def encode_chunk(chunk: Chunk) -> bytes:
    """A chunk as one frame."""
    return _encode(chunk)


def decode_chunk(frame: bytes) -> Chunk:
    """The chunk in a frame; raises `msgspec.DecodeError` if there is none."""
    return _chunk.decode(frame)


def chunk_part(chunk: Chunk) -> bytes:
    """A chunk as a part of an answer."""
    frame = _encode(chunk)
    return _HEAD.pack(_CHUNK, len(frame)) + frame


def error_part(error: BackendError) -> bytes:
    """An error as the last part of an answer; its arguments are its facts."""
    frame = _encode((type(error).__name__, error.args))
    return _HEAD.pack(_ERROR, len(frame)) + frame


class PartReader:
    """Finds the parts of an answer in the bytes that arrive, however these are cut."""

    def __init__(self) -> None:
        self._left = bytearray()

    def read(self, data: bytes) -> Iterator[Chunk]:
        """The chunks that are whole with these bytes.

        Raises:
            BackendError: the answer ends with it.
            msgspec.DecodeError: there is no such part.
        """
        self._left += data
        while len(self._left) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._left)
            end = _HEAD.size + length
            if len(self._left) < end:
                return
            frame = bytes(memoryview(self._left)[_HEAD.size : end])
            del self._left[:end]
            if kind == _ERROR:
                raise _error(frame)
            yield _chunk.decode(frame)

    @property
    def ended(self) -> bool:
        """Whether nothing is left of a part."""
        return not self._left


def _error(frame: bytes) -> BackendError:
    name, facts = msgspec.msgpack.decode(frame, type=tuple[str, tuple[object, ...]])
    kind = _ERRORS.get(name)
    if kind is None:  # of a replica of a later version
        return BackendError(*facts)
    return kind(*facts)
