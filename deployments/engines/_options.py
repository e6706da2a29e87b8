"""The options of the transformers engine."""

from typing import Literal

from pydantic import ConfigDict, Field

from deployments.engines._sampling_defaults import SamplingDefaults


class Options(SamplingDefaults):
    """`engine_options` of the transformers engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto: a GPU if there is one"
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto",
        description="auto: bfloat16 on a GPU; float32 on a CPU, so that an answer does not depend "
        "on the rest of the batch",
    )
    threads: int | None = Field(default=None, ge=1, description="CPU threads; None: num_cpus")
    max_context_tokens: int = Field(default=2048, ge=16, description="prompt and answer together")
    cache_tokens: int = Field(
        default=16384, ge=64, description="tokens in the KV cache, all requests"
    )
    max_batch_requests: int = Field(default=32, ge=1, description="requests in one forward pass")
    max_batch_tokens: int = Field(default=512, ge=16, description="tokens in one forward pass")
    stall_seconds: float = Field(
        default=120, gt=0, description="time without progress after which the engine is restarted"
    )
