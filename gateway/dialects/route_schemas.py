"""The wire types of `POST /v1/niche/route`: the request, and the explained decision."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.dialects.schemas import ChatTurn


class RouteRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Either a conversation, or a text as `POST /v1/completions` takes it."""

    messages: Annotated[list[ChatTurn], Meta(min_length=1)] | None = None
    prompt: Annotated[str, Meta(min_length=1)] | None = None


class RouteBody(Struct, frozen=True, kw_only=True):
    """Where the request would go, and why: each score with the threshold in force.

    Where the classifier did not answer, there are no scores: the reason is
    `classifier_unavailable`.
    """

    domain: str
    model: str
    candidates: list[str]
    reason: str
    confidence: float
    probabilities: dict[str, float]
    min_confidence: float | None = None
    ood_score: float | None = None
    max_ood_score: float | None = None
    truncated: bool = False
    guarantee: str | None = None
