"""What `gateway.shadow` of `niche.yaml` says: comparisons of answers in the background."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from deployments.http_address import BaseUrl
from deployments.spec import ModelSpec, Price
from gateway.config_section import Section
from router.grading.registry import GRADERS


class GradingSection(Section):
    """How pairs of answers about one specialist are graded."""

    specialist: str = Field(description="whose pairs of answers")
    method: Literal["feedback", "judge", "json"] = Field(
        default="feedback",
        description="`feedback`: by corrections, or scores of both answers, that clients send; "
        "`judge`: by the judge; `json`: whether the answer is valid JSON",
    )
    grader: str | None = Field(
        default=None,
        description="compares answers with a correction; by default the grader of the adapter's "
        "niche, or `text`",
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
        if self.keys and self.method != "json":
            raise ValueError(f"keys needs method: json, not {self.method}")
        return self


class JudgeSection(Section):
    """A model behind an OpenAI-compatible endpoint that says which of two answers is better."""

    base_url: BaseUrl = Field(description="including the version, e.g. http://host:8000/v1")
    model: str = Field(min_length=1, description="must not be one of the compared models")
    api_key_env: str | None = Field(
        default=None, description="the environment variable that holds the key; None: no key"
    )
    timeout_seconds: float = Field(default=60, gt=0, description="time limit of one verdict")
    price: Price = Field(default=Price(), description="counts towards `max_cost_per_day`")

    @property
    def spec(self) -> ModelSpec:
        """The judge as a model, which the gateway asks itself."""
        options = self.model_dump(include={"base_url", "api_key_env", "timeout_seconds"})
        return ModelSpec(name="judge", model=self.model, engine="openai", engine_options=options)


class ShadowSection(Section):
    """Compares answers in the background and promotes or demotes specialists accordingly."""

    path: str = Field(
        min_length=1,
        description="SQLite file of states and evidence, shared by all gateways of a machine; "
        "created if it does not exist",
    )
    sample_ratio: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="part of an active specialist's requests that the generalist answers as well",
    )
    trial_sample_ratio: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="part of a domain's requests that its specialists in shadow or on probation "
        "answer as well",
    )
    max_concurrent: int = Field(
        default=1,
        ge=1,
        description="comparisons at once per gateway replica; further ones are skipped",
    )
    max_requests_in_flight: int = Field(
        default=16, ge=1, description="with more requests in flight no comparison is started"
    )
    max_tokens_per_day: int = Field(
        default=1_000_000,
        ge=0,
        description="tokens that comparisons may use per day (UTC), the judge's included",
    )
    max_cost_per_day: float | None = Field(
        default=None,
        ge=0,
        description="list price of comparisons per day (UTC), in currency units; None: no limit",
    )
    store_texts: bool = Field(
        default=False,
        description="whether both answers are kept until they are graded, at most for "
        "`feedback_hours`; otherwise no text is written, and corrections are refused",
    )
    feedback_hours: float = Field(
        default=24, gt=0, description="how long feedback to an answer is accepted, in hours"
    )
    max_pairs_per_key_per_day: int = Field(
        default=500,
        ge=1,
        description="pairs of a specialist that one grader's key may have graded per day (UTC); "
        "further feedback is refused with 429. An operator's keys have no such limit",
    )
    grading: tuple[GradingSection, ...] = Field(
        default=(), description="per specialist; without an entry: by feedback"
    )
    judge: JudgeSection | None = Field(default=None, description="for `method: judge`")

    @model_validator(mode="after")
    def _judge_where_it_is_asked(self) -> Self:
        names = [part.specialist for part in self.grading]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"grading: {', '.join(twice)} twice; once is enough")
        judged = [part.specialist for part in self.grading if part.method == "judge"]
        if judged and self.judge is None:
            raise ValueError(
                f"grading of {', '.join(judged)} uses the judge: set gateway.shadow.judge"
            )
        return self

    def grading_of(self, specialist: str) -> GradingSection:
        """How a specialist's pairs are graded."""
        configured = (part for part in self.grading if part.specialist == specialist)
        return next(configured, GradingSection(specialist=specialist))
