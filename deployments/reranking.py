"""Reranking in Jina's words, for an engine that computes scores itself: the request as it reads it,
and the answer that it gives."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from deployments.parameters import asked
from deployments.protocol import INPUTS, Chunk, InvalidPrompt, ModelRequest, Usage


class RerankRequest(Struct, frozen=True):
    """A request to say how relevant each document is to a query; there is at least one document.

    Attributes:
        top_n: how many of the most relevant ones are wanted; None: all.
        return_documents: whether the answer has their texts.
    """

    query: str
    documents: Annotated[list[str], Meta(min_length=1)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool = False


def read_rerank_request(request: ModelRequest) -> RerankRequest:
    """Reads a request.

    Raises:
        InvalidPrompt: it asks for something that engines here do not serve, or is malformed.
    """
    known = RerankRequest.__struct_fields__
    fields = asked(request, known, "the model does not serve it")
    try:
        return msgspec.convert(fields, RerankRequest)
    except msgspec.ValidationError as error:
        said = str(error)
        blamed = next((name for name in known if f"`{name}`" in said or f"$.{name}" in said), None)
        raise InvalidPrompt(blamed or INPUTS[request.operation], said) from None


def rerank_chunk(request: ModelRequest, scores: Sequence[float], usage: Usage) -> Chunk:
    """The answer: the most relevant documents first, of which `scores` has one each, in the
    request's order."""
    asked_for = read_rerank_request(request)
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    results = []
    for index in order[: asked_for.top_n]:
        result: dict[str, object] = {"index": index, "relevance_score": scores[index]}
        if asked_for.return_documents:
            result["document"] = {"text": asked_for.documents[index]}
        results.append(result)
    answer = {
        "id": request.response_id,
        "object": "list",
        "model": request.model,
        "results": results,
        "usage": {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.prompt_tokens},
    }
    data = msgspec.json.encode(answer)
    return Chunk(data, prompt_tokens=usage.prompt_tokens, usage=usage)
