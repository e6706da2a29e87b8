"""The options of the llama engine."""

from typing import Literal

from pydantic import ConfigDict, Field

from deployments.engines._sampling_defaults import SamplingDefaults
from deployments.tagged_calls import Calling

Pooling = Literal["cls", "last", "mean", "rank"]
"""What one result is made of: the vector of the first token, of the last one, the mean of all, or a
head that ranks."""


class LlamaOptions(SamplingDefaults):
    """`engine_options` of the llama engine. Models that share a process may differ in the
    `default_` ones alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threads: int | None = Field(default=None, ge=1, description="CPU threads; None: num_cpus")
    parallel_requests: int = Field(
        default=4, ge=1, le=256, description="requests in one forward pass; others wait"
    )
    max_context_tokens: int = Field(
        default=2048,
        ge=16,
        description="prompt and answer together; the memory for `parallel_requests` times as many "
        "is reserved",
    )
    max_batch_tokens: int = Field(
        default=128,
        ge=16,
        description="tokens in one forward pass: a request that is cancelled while its prompt is "
        "read stops after one; on a GPU more is faster",
    )
    pooling: Literal["cls", "last", "mean"] | None = Field(
        default=None,
        description="of a model of kind embedding: of which tokens its vector is made; None: as "
        "its file says",
    )
    kv_cache_type: Literal["f16", "q8_0"] = Field(
        default="f16", description="q8_0 needs half the memory and is less exact"
    )
    gpu_layers: int | None = Field(
        default=None,
        ge=0,
        description="layers on the GPU, where the installed xllamacpp is a build for one; None: "
        "all that fit",
    )
    tool_calls: Calling | None = Field(
        default=None,
        description="how the model calls functions: `tags` if its chat template writes them "
        "between <tool_call> tags, `prompted` if it is told to, `native` if llama.cpp reads a form "
        "of its own; None: as the template shows",
    )
    stall_seconds: float = Field(
        default=120, gt=0, description="time without progress after which the engine is restarted"
    )

    default_bounded_schemas: bool = Field(
        default=False,
        description="whether what a schema leaves open (lengths of texts and lists, the depth of "
        "a recursion, the number of calls) is bounded by what fits `max_tokens`: small models go "
        "on for ever else, and their JSON is cut",
    )

    @property
    def inputs_batch_tokens(self) -> int:
        """Tokens in one forward pass of a model that embeds or ranks, which has to hold a whole
        input, and as many for each slot as for another: else llama.cpp ends the process."""
        longest, slots = max(self.max_batch_tokens, self.max_context_tokens), self.parallel_requests
        return -(-longest // slots) * slots

    def shared(self) -> dict[str, object]:
        """The options that all models of a process have in common."""
        return {key: value for key, value in self if not key.startswith("default_")}
