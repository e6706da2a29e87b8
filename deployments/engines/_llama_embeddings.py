"""From what llama.cpp's server says to an input to its vector. Without I/O.

The server is asked for one input at a time: it cannot be stopped while it computes vectors, so a
request that is cancelled costs the inputs that are being worked on, and no more.
"""

import msgspec
from msgspec import Raw, Struct

from deployments.embeddings import read_embedding_request
from deployments.engines._llama_answers import Said
from deployments.engines._llama_errors import answered_error
from deployments.engines._llama_requests import LlamaRequest
from deployments.protocol import INPUTS, ModelRequest, Usage

VECTOR = "embedding"
"""The part of a `Said` that holds the vector."""


class _Item(Struct, frozen=True):
    embedding: Raw


class _Usage(Struct, frozen=True):
    prompt_tokens: int


class _Answer(Struct, frozen=True):
    data: list[_Item] = []
    usage: _Usage = _Usage(0)
    error: object = None


_answer = msgspec.json.Decoder(_Answer).decode


def read_embedding(request: ModelRequest) -> LlamaRequest:
    """Reads a request, which becomes a body per input.

    Raises:
        InvalidPrompt: it asks for something that this engine does not serve.
    """
    asked = read_embedding_request(request)
    return LlamaRequest(
        bodies=tuple(
            msgspec.json.encode({"input": given, "encoding_format": asked.encoding_format})
            for given in asked.inputs
        ),
        n=1,
        stop=(),
        include_usage=False,
        top_logprobs=None,
        parameter=INPUTS["embedding"],
    )


def read_vector(model: str, data: bytes) -> Said:
    """The answer to one input: its vector and the usage.

    Raises:
        BackendError: there is an error instead.
    """
    answer = _answer(data)
    if answer.error is not None:
        raise answered_error(model, answer.error, INPUTS["embedding"])
    [item] = answer.data
    tokens = answer.usage.prompt_tokens
    # No token counts as worked on: calls that share a pass end together, and share its time.
    return Said({VECTOR: item.embedding}, prompt_tokens=tokens, usage=Usage(tokens, 0))
