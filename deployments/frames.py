"""Requests and chunks as bytes, between processes.

MessagePack with named fields: a field with a default may be missing, and an unknown one is ignored,
so a gateway and a replica of neighbouring versions understand each other.
"""

import msgspec

from deployments.protocol import Chunk, ModelRequest

_encode = msgspec.msgpack.Encoder().encode
_request = msgspec.msgpack.Decoder(ModelRequest)
_chunk = msgspec.msgpack.Decoder(Chunk)


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
