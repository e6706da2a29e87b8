"""`POST /v1/embeddings` as OpenAI's API has it: the request, how it is read, and the answer."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from gateway.dialects.parse import CompletionRequest, converted, fields_for_model
from gateway.dialects.schemas import Niche
from gateway.errors import InvalidValue
from router.types import Query

MAX_INPUTS = 2048
"""OpenAI's own limit."""

Text = Annotated[str, Meta(min_length=1)]
TokenId = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Tokens = Annotated[list[TokenId], Meta(min_length=1)]


class EmbeddingRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body. `input` is a text, the ids of its tokens, or a list of up to 2048 of one of them;
    whether `dimensions` is served depends on the model's engine."""

    model: Annotated[str, Meta(description="the name of a model that embeds", max_length=256)]
    input: Text | Annotated[list[Text | TokenId | Tokens], Meta(min_length=1)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    user: str | None = None


class Embedding(Struct, frozen=True, kw_only=True):
    """The vector of an input: numbers, or the base64 of its little-endian float32 values."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(Struct, frozen=True):
    """Tokens of all inputs, by the model's tokenizer."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(Struct, frozen=True, kw_only=True):
    """The answer. An upstream's may have more keys."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
    niche: Niche


def parse_embedding(raw: dict[str, Any]) -> CompletionRequest:
    """Validates the body of a request for embeddings.

    Raises:
        GatewayError: as `parse_chat`.
    """
    request, served = converted(raw, EmbeddingRequest, {})
    given = request.input
    count = len(given) if isinstance(given, list) and not isinstance(given[0], int) else 1
    if count > MAX_INPUTS:
        raise InvalidValue(f"input: {count} inputs; at most {MAX_INPUTS}.", "input")
    return CompletionRequest(
        operation="embedding",
        model=request.model,
        query=Query(),
        fields=fields_for_model(served),
        user=request.user,
    )
