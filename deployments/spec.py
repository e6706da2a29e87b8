"""The configuration of one model: frozen, validated, with units in the names."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from deployments.capability import Capability
from deployments.protocol import Kind

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def engine_names() -> tuple[str, ...]:
    """The available engines: one file each under `deployments/engines/`."""
    folder = Path(__file__).parent / "engines"
    return tuple(sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")))


class Resources(_Section):
    """What one replica reserves on its node."""

    num_cpus: float = Field(default=0.5, ge=0, description="CPU cores reserved; fractions allowed")
    num_gpus: float = Field(default=0, ge=0, description="GPUs reserved; fractions share one GPU")
    memory_bytes: int | None = Field(default=None, ge=1, description="memory reserved")


class Autoscaling(_Section):
    """Settings of Ray Serve's autoscaler."""

    min_replicas: int = Field(default=1, ge=0, description="0 stops all replicas of an idle model")
    max_replicas: int = Field(default=1, ge=1, description="upper limit")
    target_ongoing_requests: float = Field(
        default=8, gt=0, description="target of requests in progress per replica"
    )
    upscale_delay_seconds: float = Field(
        default=10, ge=0, description="how long load must be high before a replica is added"
    )
    downscale_delay_seconds: float = Field(
        default=600, ge=0, description="how long load must be low before a replica is stopped"
    )

    @model_validator(mode="after")
    def _ordered(self) -> "Autoscaling":
        if self.min_replicas > self.max_replicas:
            raise ValueError(
                f"min_replicas ({self.min_replicas}) is above max_replicas ({self.max_replicas})"
            )
        return self


class Limits(_Section):
    """Limits beyond which a model refuses requests."""

    max_ongoing_requests: int | None = Field(
        default=None,
        ge=1,
        description="requests at once of a gateway replica, for each replica of the model; for a "
        "model of a pool, and one that the gateway asks itself, in all; None: two for each slot "
        "that the replicas have, or 64 where they say no number. With `autoscaling`: per replica "
        "of the model; None: 64",
    )
    max_queued_requests: int | None = Field(
        default=None,
        ge=1,
        description="requests per gateway replica that may wait for this model; None: any number, "
        "within `gateway.max_wait_seconds`",
    )


class Price(_Section):
    """List price in currency units, and the price of the machine for the attributed cost."""

    prompt_per_million_tokens: float = Field(
        default=0, ge=0, description="list price of prompt tokens, in currency units"
    )
    completion_per_million_tokens: float = Field(
        default=0, ge=0, description="list price of generated tokens, in currency units"
    )
    cached_prompt_per_million_tokens: float | None = Field(
        default=None,
        ge=0,
        description="list price of prompt tokens that the model had in its cache; None: that of "
        "the others",
    )
    machine_per_hour: float = Field(
        default=0, ge=0, description="price of the machine, for the attributed cost"
    )

    def of(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """The list price of one request, in currency units; `cached_tokens` are of the prompt's."""
        cached = self.cached_prompt_per_million_tokens
        if cached is None:
            cached = self.prompt_per_million_tokens
        return (
            (prompt_tokens - cached_tokens) * self.prompt_per_million_tokens
            + cached_tokens * cached
            + completion_tokens * self.completion_per_million_tokens
        ) / 1_000_000


_UPSTREAM = "openai"
"""The engine that only forwards."""

_ENGINES_OF_KINDS: Mapping[Kind, frozenset[str]] = {
    "embedding": frozenset({"fake", "llama", "openai"}),
    "reranking": frozenset({"fake", "llama", "openai"}),
}
"""The engines that serve models which write no text."""

SHARED_ENGINES: Mapping[str, frozenset[str]] = {
    "fake": frozenset(
        {
            "break_after_tokens",
            "max_context_tokens",
            "overloaded",
            "reply",
            "unavailable_after",
        }
    ),
    "llama": frozenset(
        {
            "default_bounded_schemas",
            "default_max_tokens",
            "default_temperature",
            "default_top_p",
        }
    ),
    "vllm": frozenset({"default_max_tokens", "default_temperature", "default_top_p"}),
}
"""The engines of which one process serves several models, with those of their options that belong
to one model. They are listed here because a configuration is read without importing engines."""

LIVE_ENGINES = frozenset({"fake", "vllm"})
"""The engines whose running process takes in further models of its base and lets others go; that of
any other is replaced."""


def _is_finite(value: Any) -> bool:
    """Whether JSON has all numbers of a value."""
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


class ModelSpec(_Section):
    """A generalist or a specialist: which weights, which engine, on what, at what price.

    The gateway asks an `openai` model itself, in its own process; any other model, and one with
    `deployment: own`, has replicas on Ray Serve, which it may share (`deployments/pool.py`).
    """

    name: Name = Field(description="name that clients give as `model`; unique, and not `auto`")
    model: str = Field(
        min_length=1,
        description="a name from deployments/models.lock; else for engine llama a local GGUF file, "
        "or one of the Hugging Face hub, `org/name:file.gguf`; for engine vllm a local directory, "
        "or `org/name`",
    )
    kind: Kind = Field(
        default="generation",
        description="`embedding`: gives vectors, at `/v1/embeddings` alone; `reranking`: ranks "
        "documents, at `/v1/rerank` alone; the models of `embeddings` and `rerankers` are of these "
        "kinds",
    )
    adapter: str | None = Field(
        default=None, description="a name under deployments/adapters, or a local directory"
    )
    domain: Name | None = Field(
        default=None, description="domain of a specialist; None for the generalist"
    )
    initial_state: Literal["candidate", "shadow", "active"] = Field(
        default="active",
        description="state of a new specialist, and of a new version of one: it gets no requests, "
        "is only compared, or answers its domain; see `gateway.shadow`",
    )
    engine: str = Field(
        default="llama",
        validate_default=True,
        description="a file of deployments/engines, without `.py`",
    )
    engine_options: dict[str, Any] = Field(
        default_factory=dict, description="the engine's own settings; each engine checks its own"
    )
    deployment: Literal["own"] | None = Field(
        default=None,
        description="`own`: replicas that no other model shares; a model of engine `openai` has "
        "none without it, since the gateway asks it itself",
    )
    pool: Name | None = Field(
        default=None,
        description="models with the same pool share replicas; None: specialists that agree in "
        "all that belongs to a process share them, if their engine can; the generalist has its own",
    )
    system_prompt: str | None = Field(
        default=None, description="system message for conversations without one"
    )
    capabilities: frozenset[Capability] | None = Field(
        default=None,
        description="what requests may ask of this model beyond text: `tools`, `json_schema`, "
        "`images`, `logprobs`, `logit_bias`; None: all that its engine can, but for tools and "
        "images where it has an adapter",
    )
    resources: Resources = Field(default=Resources(), description="what one replica reserves")
    replicas: int = Field(
        default=1, ge=1, description="number of replicas, if autoscaling is not set"
    )
    autoscaling: Autoscaling | None = Field(
        default=None, description="scaling by load; None: always `replicas`"
    )
    limits: Limits = Field(default=Limits(), description="limits beyond which requests are refused")
    first_token_timeout_seconds: float | None = Field(
        default=None,
        gt=0,
        description="time to the first token, and to the first sign of life of a whole answer, for "
        "a model that thinks or loads longer than others; None: the gateway's",
    )
    price: Price = Field(default=Price(), description="price of answers")

    @field_validator("engine")
    @classmethod
    def _known_engine(cls, engine: str, info: ValidationInfo) -> str:
        if engine == "transformers":
            raise ValueError(
                "there is no engine 'transformers' any more; take llama for a GGUF file, on a CPU "
                "or a laptop, or vllm for safetensors, on GPUs"
            )
        if engine not in engine_names():
            raise ValueError(f"no engine {engine!r}; allowed: {', '.join(engine_names())}")
        kind = info.data.get("kind", "generation")
        if engine not in (able := _ENGINES_OF_KINDS.get(kind, {engine})):
            raise ValueError(
                f"engine {engine!r} serves no {kind} models; allowed for them: "
                f"{', '.join(sorted(able))}"
            )
        return engine

    @field_validator("engine_options")
    @classmethod
    def _finite(cls, options: dict[str, Any]) -> dict[str, Any]:
        for key, value in options.items():
            if not _is_finite(value):
                raise ValueError(f"{key} is, or has, an infinity or NaN; give a finite number")
        return options

    @field_validator("adapter", "domain", "initial_state", "system_prompt")
    @classmethod
    def _of_generation(cls, value: str | None, info: ValidationInfo) -> str | None:
        kind = info.data.get("kind", "generation")
        if kind != "generation" and value not in (None, "active"):
            raise ValueError(f"no effect on a model of kind {kind}; leave it out")
        return value

    @field_validator("pool")
    @classmethod
    def _can_be_shared(cls, pool: str | None, info: ValidationInfo) -> str | None:
        if pool is None or "engine" not in info.data:
            return pool
        if info.data.get("deployment") is not None:
            raise ValueError("not together with deployment: own; leave one of them out")
        engine = info.data["engine"]
        if engine not in SHARED_ENGINES:
            raise ValueError(
                f"a process of engine {engine} serves one model; leave it out, or choose one of "
                f"the engines {', '.join(sorted(SHARED_ENGINES))}"
            )
        return pool

    @field_validator("resources", "replicas", "autoscaling")
    @classmethod
    def _of_replicas(cls, value: Any, info: ValidationInfo) -> Any:
        known = {"engine", "deployment"} <= info.data.keys()
        if known and info.data["engine"] == _UPSTREAM and info.data["deployment"] is None:
            raise ValueError(
                "no effect, since the gateway asks this model itself, without replicas; leave it "
                "out, or set deployment: own"
            )
        return value

    @property
    def as_loaded(self) -> "ModelSpec":
        """Without what gateways alone read: what has this in common is the same to an engine."""
        only_gateways = {"price": Price(), "limits": Limits(), "domain": None}
        return self.model_copy(update=only_gateways | {"initial_state": "active"})

    @property
    def in_gateway(self) -> bool:
        """Whether the gateway asks this model itself, so that it has no application."""
        return self.engine == _UPSTREAM and self.deployment is None
