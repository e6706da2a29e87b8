"""How an answer leaves the gateway: as the model sent it, or in the words of another dialect.

A model answers in the words of OpenAI's chat or text completions. These endpoints forward its
bytes; another dialect makes its own words of them.
"""

from typing import Protocol

import msgspec

from deployments.protocol import Chunk
from gateway.dialects.schemas import Niche
from gateway.errors import ErrorBody

_encode = msgspec.json.Encoder().encode


class Rendering(Protocol):
    """One answer's way out. Its methods return the bytes to send, which may be none."""

    def whole(self, chunk: Chunk, niche: Niche) -> bytes:
        """The body of a whole answer."""

    def event(self, chunk: Chunk, niche: Niche | None) -> bytes:
        """What a chunk of a stream becomes; `niche` comes with the first and the last chunk."""

    def end(self) -> bytes:
        """What follows the last chunk of a complete stream."""

    def failure(self, error: ErrorBody) -> bytes:
        """What ends a stream that breaks off."""


class Forwarding:
    """The model's own words, with the key `niche`; nothing of them is decoded."""

    def whole(self, chunk: Chunk, niche: Niche) -> bytes:
        """See `Rendering`."""
        return _with_niche(chunk.data, niche)

    def event(self, chunk: Chunk, niche: Niche | None) -> bytes:
        """See `Rendering`."""
        return sse(chunk.data if niche is None else _with_niche(chunk.data, niche))

    def end(self) -> bytes:
        """See `Rendering`."""
        return b"data: [DONE]\n\n"

    def failure(self, error: ErrorBody) -> bytes:
        """See `Rendering`."""
        return sse(_encode(error))


def sse(data: bytes, event: str | None = None) -> bytes:
    """A server-sent event; JSON has no raw line breaks, so one `data:` line holds it."""
    name = b"" if event is None else b"event: %b\n" % event.encode()
    return b"%bdata: %b\n\n" % (name, data)


def _with_niche(data: bytes, niche: Niche) -> bytes:
    return b'%b,"niche":%b}' % (data[:-1], _encode(niche))
