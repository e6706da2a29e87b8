"""OpenAI's embeddings, for an engine that computes vectors itself: the request as it reads it, and
the answer that it gives."""

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from deployments.parameters import asked
from deployments.protocol import Chunk, InvalidPrompt, ModelRequest, Usage

Input = str | list[int]
"""A text, or its token ids."""

EncodingFormat = Literal["float", "base64"]
"""How a vector is written: as numbers, or as the base64 of its little-endian float32 values."""

_HIGHEST_TOKEN = 2**31 - 1


class _Body(Struct, frozen=True):
    input: Any = None
    encoding_format: EncodingFormat = "float"


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """A request for one vector per input; there is at least one, and none is empty."""

    inputs: tuple[Input, ...]
    encoding_format: EncodingFormat


def read_embedding_request(request: ModelRequest) -> EmbeddingRequest:
    """Reads a request.

    Raises:
        InvalidPrompt: it asks for something that engines here do not serve, or has no input.
    """
    fields = asked(request, _Body.__struct_fields__, "the model does not serve it")
    try:
        body = msgspec.convert(fields, _Body)
    except msgspec.ValidationError as error:
        raise InvalidPrompt("encoding_format", str(error)) from None
    return EmbeddingRequest(tuple(_inputs(body.input)), body.encoding_format)


def _inputs(given: Any) -> list[Input]:
    inputs = given if isinstance(given, list) and not _is_token(next(iter(given), "")) else [given]
    if not inputs or not all(inputs):
        raise InvalidPrompt("input", "an input is empty; leave it out")
    texts = all(isinstance(one, str) for one in inputs)
    tokens = all(isinstance(one, list) and all(map(_is_token, one)) for one in inputs)
    if not (texts or tokens):
        raise InvalidPrompt("input", "send a text, token ids, or a list of either")
    return inputs


def _is_token(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _HIGHEST_TOKEN


def written(vector: Sequence[float], encoding_format: EncodingFormat) -> Raw:
    """A vector as JSON."""
    if encoding_format == "float":
        return Raw(msgspec.json.encode(vector))
    packed = struct.pack(f"<{len(vector)}f", *vector)
    return Raw(msgspec.json.encode(base64.b64encode(packed).decode()))


def embeddings_chunk(request: ModelRequest, vectors: Sequence[Raw], usage: Usage) -> Chunk:
    """The answer: a vector per input, in their order, each as JSON."""
    answer = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ],
        "model": request.model,
        "usage": {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.prompt_tokens},
    }
    data = msgspec.json.encode(answer)
    return Chunk(data, prompt_tokens=usage.prompt_tokens, usage=usage)
