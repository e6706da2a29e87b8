"""The options of every engine that samples itself: what holds if a request sets nothing."""

from pydantic import BaseModel, Field


class SamplingDefaults(BaseModel):
    """`engine_options` that differ between models of one process."""

    default_max_tokens: int | None = Field(
        default=None,
        ge=1,
        description="answer length if the request sets none; None: the context",
    )
    default_temperature: float | None = Field(
        default=None,
        ge=0,
        le=2,
        description="if the request sets none; 0 is greedy; None: what the model's files say, else "
        "1.0",
    )
    default_top_p: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="if the request sets none; None: what the model's files say, else 1.0",
    )
