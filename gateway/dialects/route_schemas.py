"""The wire types of `POST /v1/niche/route`: the request, and the explained decision."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.dialects.schemas import ChatTurn


class RouteRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Either a conversation, or a text as `POST /v1/completions` takes it.

    `explain` asks for what led to the scores, which costs up to 50 classifications.
    """

    messages: Annotated[list[ChatTurn], Meta(min_length=1)] | None = None
    prompt: Annotated[str, Meta(min_length=1)] | None = None
    explain: bool | None = None


class SourceBody(Struct, frozen=True, kw_only=True):
    """What was read: the user's message `turns_back` before the last one, perhaps with the system
    prompt; of its `characters` some may have been left out."""

    turns_back: int
    with_system: bool
    characters: int
    shortened: bool


class PieceBody(Struct, frozen=True, kw_only=True):
    """A part of the text; without it the likeliest domain's probability is lower by `effect`. Null
    for a label that the router wrote."""

    text: str
    effect: float | None


class NeighbourBody(Struct, frozen=True, kw_only=True):
    """A training prompt, shortened; `similarity` is the cosine of its vector and the text's."""

    text: str
    domain: str
    similarity: float


class FormBody(Struct, frozen=True, kw_only=True):
    """The likeliest form of the text, such as "other task"."""

    name: str
    probability: float


class ExplanationBody(Struct, frozen=True, kw_only=True):
    """What led to the scores.

    `source` is null for a request without text; `form` if the router has not learnt forms. The
    texts of `pieces`, joined, are the text as it was encoded.
    """

    source: SourceBody | None
    pieces: list[PieceBody]
    neighbours: list[NeighbourBody]
    form: FormBody | None


class RouteBody(Struct, frozen=True, kw_only=True):
    """Where the request would go, and why: each score with the threshold in force.

    Where the classifier did not answer, there are no scores: the reason is
    `classifier_unavailable`. `explanation` is null unless the request asks for it, and where the
    classifier could not give one.
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
    explanation: ExplanationBody | None = None
