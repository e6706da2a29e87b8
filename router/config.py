"""How the router decides, as the operator writes it: frozen, validated on construction."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["RouterConfig"]


class RouterConfig(BaseModel):
    """Settings of the router.

    A threshold of None takes the one that was chosen for the artifact when it was trained.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    artifact: str = Field(default="default", description="`default`, or a local artifact directory")
    encoder: str = Field(
        default="all-minilm-l6-v2",
        description="the encoder that the artifact was trained with: a model reference",
    )
    min_confidence: float | None = Field(
        default=None, ge=0, le=1, description="below it the generalist answers"
    )
    scope_threshold: float | None = Field(
        default=None, description="familiarity below which a query is out of scope"
    )
    encoder_threads: int = Field(default=1, ge=1, description="CPU threads of the encoder")
