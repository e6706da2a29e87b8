"""`POST /v1/rerank` as Jina's and Cohere's APIs have it: the request, how it is read, and the
answer."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.dialects.embeddings import MAX_INPUTS, EmbeddingUsage
from gateway.dialects.parse import CompletionRequest, converted, fields_for_model
from gateway.dialects.schemas import Niche
from router.types import Query


class Document(Struct, frozen=True, forbid_unknown_fields=True):
    """A document as an object."""

    text: str


class RerankRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body: a query, and up to 2048 documents to say of how relevant they are to it."""

    model: Annotated[str, Meta(description="the name of a model that ranks", max_length=256)]
    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[str | Document], Meta(min_length=1, max_length=MAX_INPUTS)]
    top_n: Annotated[int, Meta(ge=1, description="how many results; all without it")] | None = None
    return_documents: bool | None = None
    user: str | None = None


class RankedDocument(Struct, frozen=True, kw_only=True):
    """How relevant a document is, from 0 to 1; `index` is its place in the request."""

    index: int
    relevance_score: float
    document: Document | UnsetType = UNSET


class Ranking(Struct, frozen=True, kw_only=True):
    """The answer, the most relevant document first. An upstream's may have more keys."""

    id: str
    object: Literal["list"] = "list"
    model: str
    results: list[RankedDocument]
    usage: EmbeddingUsage
    niche: Niche


def parse_rerank(raw: dict[str, Any]) -> CompletionRequest:
    """Validates the body of a request for a ranking.

    Raises:
        GatewayError: as `parse_chat`.
    """
    request, served = converted(raw, RerankRequest, {})
    texts = [of if isinstance(of, str) else of.text for of in request.documents]
    # Servers differ in what null means here, and in what a document may be.
    plain = {"documents": texts, "return_documents": request.return_documents or False}
    return CompletionRequest(
        operation="rerank",
        model=request.model,
        query=Query(),
        fields=fields_for_model(served) | plain,
        user=request.user,
    )
