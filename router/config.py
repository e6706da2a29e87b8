"""The router's settings in `niche.yaml`: frozen, validated on construction."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GuaranteeConfig(_Part):
    """The guarantee to give: with probability 1 - `delta`, the risk is at most `alpha`."""

    alpha: float = Field(gt=0, lt=1, description="the largest risk among routed requests")
    delta: float = Field(
        default=0.05, gt=0, lt=1, description="largest probability that the risk exceeds `alpha`"
    )
    risk: Literal["misroute", "excess_loss"] = Field(
        default="misroute",
        description="`misroute`: the share that goes to a wrong specialist; `excess_loss`: by how "
        "much the specialists' mean score is below the generalist's (needs paired outcomes)",
    )


class ClassifierDeployment(_Part):
    """The classifier as a separate Ray Serve deployment, instead of inside the gateway."""

    replicas: int = Field(default=1, ge=1, description="how many")
    num_gpus: float = Field(default=0, ge=0, description="GPUs per replica; 0 computes on CPU")
    max_batch_size: int = Field(default=64, ge=1, description="requests that share a forward pass")
    batch_wait_seconds: float = Field(
        default=0.002, ge=0, le=1, description="how long the first of a batch waits for others"
    )


class SelectionConfig(_Part):
    """When to promote or demote a specialist; in force if `gateway.shadow` is set."""

    margin: float = Field(
        default=0.02, gt=0, lt=1, description="how far its quality may be below the generalist's"
    )
    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="largest probability of a wrong demotion or promotion, over all specialists",
    )
    retire_alpha: float = Field(
        default=0.01, gt=0, lt=1, description="the same for retiring a specialist"
    )
    pairs_per_false_alarm: int = Field(
        default=20_000,
        ge=100,
        description="compared answers per false alarm that a good specialist has turned bad",
    )
    quality_point_worth: float | None = Field(
        default=None,
        gt=0,
        description="what a point of quality (0.01 of the grade) is worth, in currency units per "
        "request; the tests, and `margin`, are then about net worth: quality less what it costs; "
        "None: quality alone decides",
    )


class RouterConfig(_Part):
    """Settings of the router.

    A threshold of None takes the artifact's, chosen in training.
    """

    artifact: str = Field(default="default", description="`default`, or a local artifact directory")
    encoder: str = Field(
        default="all-minilm-l6-v2",
        description="the encoder that the artifact was trained with: a model reference",
    )
    min_confidence: float | None = Field(
        default=None, ge=0, le=1, description="below it the generalist answers"
    )
    max_misrouted: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="instead of `min_confidence`: the lowest confidence from which at most this "
        "share of the routed calibration rows is misrouted",
    )
    max_ood_score: float | None = Field(
        default=None,
        description="OOD score above which a query is out of distribution: unlike the training "
        "prompts",
    )
    guarantee: GuaranteeConfig | None = Field(
        default=None,
        description="chooses the confidence threshold so that a bound on the risk holds; instead "
        "of `min_confidence`",
    )
    selection: SelectionConfig = Field(
        default=SelectionConfig(), description="when a specialist gains or loses its traffic"
    )
    encoder_threads: int = Field(default=1, ge=1, description="CPU threads of the encoder")
    max_batch_size: int = Field(
        default=32, ge=1, description="waiting requests that share a forward pass in the gateway"
    )
    cached_scores: int = Field(
        default=4096,
        ge=0,
        description="requests whose scores each gateway replica remembers, by a hash of the whole "
        "conversation; 0: none",
    )
    deployment: ClassifierDeployment | None = Field(
        default=None, description="the classifier as a separate deployment; None: in the gateway"
    )

    @model_validator(mode="after")
    def _one_rule_for_the_threshold(self) -> Self:
        own = (self.min_confidence, self.max_misrouted, self.max_ood_score)
        if self.guarantee is not None and any(value is not None for value in own):
            raise ValueError(
                "guarantee chooses the thresholds itself: remove min_confidence, max_misrouted and "
                "max_ood_score, or remove guarantee"
            )
        if self.min_confidence is not None and self.max_misrouted is not None:
            raise ValueError("max_misrouted chooses min_confidence: remove one of the two")
        return self
