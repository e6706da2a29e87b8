"""What an operator may set for the transformers engine."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """`engine_options` of the transformers engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto: a GPU where there is one"
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto",
        description="auto: bfloat16 on a GPU; float32 on a CPU, where an answer then does not "
        "depend on what else is in the batch",
    )
    threads: int | None = Field(default=None, ge=1, description="CPU threads; None: num_cpus")
    max_context_tokens: int = Field(default=2048, ge=16, description="prompt and answer together")
    cache_tokens: int = Field(
        default=16384, ge=64, description="tokens in the KV cache, all requests"
    )
    max_batch_requests: int = Field(default=32, ge=1, description="requests in one forward pass")
    max_batch_tokens: int = Field(default=512, ge=16, description="tokens in one forward pass")
    default_max_tokens: int | None = Field(
        default=None,
        ge=1,
        description="answer length where the request names none; None: the context",
    )
    default_temperature: float = Field(
        default=1.0,
        ge=0,
        le=2,
        description="where the request names none; 0 is greedy, as a specialist is measured",
    )
    stall_seconds: float = Field(
        default=120, gt=0, description="an engine without progress for so long is restarted"
    )
