"""The live comparison as the operator writes it: `gateway.shadow`. Frozen, validated."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from deployments.spec import Price
from router.grading.registry import GRADERS


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GradingSection(_Section):
    """How two answers to a request of one specialist's domain get their scores."""

    specialist: str = Field(description="whose pairs of answers")
    by: Literal["feedback", "judge", "json"] = Field(
        default="feedback",
        description="`feedback`: by corrections, or scores of both answers, that clients send; "
        "`judge`: by the judge; `json`: is it JSON?",
    )
    grader: str | None = Field(
        default=None,
        description="holds answers against a correction; none: that of the adapter's niche, or "
        "`text`",
    )
    keys: tuple[str, ...] = Field(
        default=(), description="with `json`: keys that the answer's object must have"
    )

    @field_validator("grader")
    @classmethod
    def _known_grader(cls, grader: str | None) -> str | None:
        if grader is not None and grader not in GRADERS:
            raise ValueError(f"no grader {grader!r}; allowed: {', '.join(GRADERS)}")
        return grader

    @model_validator(mode="after")
    def _keys_with_json(self) -> Self:
        if self.keys and self.by != "json":
            raise ValueError(f"keys go with by: json, not {self.by}")
        return self


class JudgeSection(_Section):
    """A model behind an OpenAI-compatible endpoint that says which of two answers is better."""

    base_url: str = Field(
        pattern=r"^https?://[^/\s]+", description="with its version, e.g. http://host:8000/v1"
    )
    model: str = Field(min_length=1, description="none of the models that are compared")
    api_key_env: str | None = Field(
        default=None, description="the environment variable that holds the key; None: no key"
    )
    timeout_seconds: float = Field(default=60, gt=0, description="for one verdict")
    price: Price = Field(default=Price(), description="for `cost_per_day`")


class ShadowSection(_Section):
    """Compares answers in the background, and moves specialists by what that shows."""

    path: str = Field(
        min_length=1,
        description="this SQLite file keeps states and evidence; all gateways of a machine share "
        "it, and it is made if need be",
    )
    share: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="of an active specialist's requests that the generalist answers as well",
    )
    trial_share: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="of a domain's requests that its specialists in shadow or on probation answer "
        "as well",
    )
    max_concurrent: int = Field(
        default=1, ge=1, description="comparisons at once per gateway replica; more are left out"
    )
    busy_requests: int = Field(
        default=16, ge=1, description="requests at once beyond which no comparison is begun"
    )
    tokens_per_day: int = Field(
        default=1_000_000,
        ge=0,
        description="that comparisons may use per day (UTC), judge included",
    )
    cost_per_day: float | None = Field(
        default=None, ge=0, description="the same in currency units, by list price"
    )
    store_texts: bool = Field(
        default=False,
        description="keep both answers until they are graded, at most `feedback_hours`; without, "
        "no text is written, and corrections are refused",
    )
    feedback_hours: float = Field(
        default=24, gt=0, description="how long after an answer feedback to it is taken"
    )
    grading: tuple[GradingSection, ...] = Field(
        default=(), description="by specialist; for one without: by feedback"
    )
    judge: JudgeSection | None = Field(default=None, description="for `by: judge`")

    @model_validator(mode="after")
    def _judge_where_it_is_asked(self) -> Self:
        names = [part.specialist for part in self.grading]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"grading: {', '.join(twice)} twice; once is enough")
        judged = [part.specialist for part in self.grading if part.by == "judge"]
        if judged and self.judge is None:
            raise ValueError(
                f"grading of {', '.join(judged)} is by judge: set gateway.shadow.judge"
            )
        return self

    def grading_of(self, specialist: str) -> GradingSection:
        """How a specialist's pairs are graded."""
        found = (part for part in self.grading if part.specialist == specialist)
        return next(found, GradingSection(specialist=specialist))
