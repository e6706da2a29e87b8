"""Requests about inputs to llama.cpp's server: texts to embed, or documents to rank. Without I/O.

The server is asked for one input at a time: it cannot be stopped while it works on several, so a
request that is cancelled costs the inputs that are being worked on, and no more.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Raw, Struct

from deployments.embeddings import embeddings_chunk, read_embedding_request
from deployments.engines._llama_answers import Said
from deployments.engines._llama_errors import answered_error
from deployments.engines._llama_requests import LlamaRequest
from deployments.protocol import INPUTS, Chunk, ModelRequest, Usage
from deployments.reranking import read_rerank_request, rerank_chunk

_FOUND = "found"
"""The part of a `Said` that holds the vector, or the score."""

_SOFTMAX = ("qwen3", "qwen3vl")
"""Architectures whose scores llama.cpp makes probabilities itself; of others it gives the logit."""


class _Item(Struct, frozen=True):
    embedding: Raw


class _Result(Struct, frozen=True):
    relevance_score: Raw


class _Usage(Struct, frozen=True):
    prompt_tokens: int


class _Answer(Struct, frozen=True):
    data: list[_Item] = []
    results: list[_Result] = []
    usage: _Usage = _Usage(0)
    error: object = None


_encode = msgspec.json.encode
_answer = msgspec.json.Decoder(_Answer).decode


@dataclass(frozen=True, slots=True)
class Inputs:
    """A request about inputs.

    Attributes:
        asked: has a body per input.
        write: the answer, from what was found of each input.
    """

    asked: LlamaRequest
    write: Callable[[Sequence[Raw], Usage], Chunk]

    def whole(self, said: Sequence[Sequence[Said]], usage: Usage) -> Chunk:
        """The answer, from what the server said to each input."""
        return self.write([of.parts[_FOUND] for [of] in said], usage)


def read_inputs(request: ModelRequest, architecture: str) -> Inputs:
    """Reads a request.

    Args:
        request: one for embeddings, or for a ranking.
        architecture: the model's.

    Raises:
        InvalidPrompt: it asks for something that this engine does not serve.
    """
    if request.operation == "embedding":
        wanted = read_embedding_request(request)
        form = wanted.encoding_format
        return Inputs(
            _asked(request, [{"input": of, "encoding_format": form} for of in wanted.inputs]),
            lambda vectors, usage: embeddings_chunk(request, vectors, usage),
        )
    ranking = read_rerank_request(request)
    probability = float if architecture in _SOFTMAX else _logistic
    return Inputs(
        _asked(request, [{"query": ranking.query, "documents": [of]} for of in ranking.documents]),
        lambda scores, usage: rerank_chunk(
            request, [probability(bytes(of)) for of in scores], usage
        ),
    )


def _asked(request: ModelRequest, bodies: Sequence[dict[str, object]]) -> LlamaRequest:
    return LlamaRequest(
        bodies=tuple(map(_encode, bodies)),
        n=1,
        stop=(),
        include_usage=False,
        top_logprobs=None,
        parameter=INPUTS[request.operation],
    )


def _logistic(logit: bytes) -> float:
    """The probability of a logit, which is between 0 and 1 as others' scores are."""
    return 0.5 * (1 + math.tanh(0.5 * float(logit)))  # never overflows


def read_found(request: ModelRequest, data: bytes) -> Said:
    """The answer to one input: its vector, or its score, and the usage.

    Raises:
        BackendError: there is an error instead.
    """
    answer = _answer(data)
    if answer.error is not None:
        raise answered_error(request.model, answer.error, INPUTS[request.operation])
    [found] = [of.embedding for of in answer.data] or [of.relevance_score for of in answer.results]
    tokens = answer.usage.prompt_tokens
    # No token counts as worked on: calls that share a pass end together, and share its time.
    return Said({_FOUND: found}, prompt_tokens=tokens, usage=Usage(tokens, 0))
