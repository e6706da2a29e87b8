"""The wire types of `GET /v1/models`."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from deployments.capability import Capability


class NicheModel(Struct, frozen=True):
    """A model's role in the stack; `auto` is the router and has no engine; `embedding` and
    `reranking` have no domain.

    `pool`: models of the same pool share replicas; null: it shares none. `capabilities`: what
    requests may need of it beyond text; of `auto`, what some model can do. `available`: whether it
    passed its last health check; if not, `unavailable_reason` says why. Of `auto`: whether any
    model that answers with text did. `functions`: those that a specialist learned to call, and may
    be asked for without the capability. `max_context_tokens`: of prompt and answer together; null
    where the server behind the engine alone knows, and of `auto`.
    """

    role: Literal["auto", "generalist", "specialist", "embedding", "reranking"]
    domain: str | None
    engine: str | None
    pool: str | None = None
    capabilities: Sequence[Capability] = ()
    available: bool = True
    unavailable_reason: str | None = None
    functions: Sequence[str] = ()
    max_context_tokens: int | None = None


class ModelObject(Struct, frozen=True, kw_only=True):
    """A model that requests may name."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["niche"] = "niche"
    niche: NicheModel


class ModelList(Struct, frozen=True, kw_only=True):
    """The body of `GET /v1/models`."""

    object: Literal["list"] = "list"
    data: list[ModelObject]
