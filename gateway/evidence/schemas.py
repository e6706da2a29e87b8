"""The wire types of `/v1/niche/...` and `/v1/feedback`: the evidence, changes of state, feedback.

Rules: differences are specialist minus generalist, per request, so more quality is positive and
less latency or cost negative; times are Unix seconds; `null` means not measured. An interval holds
at all times, however often it is read; the intervals of one measure hold for all specialists
jointly with probability `settings.confidence`.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

StateName = Literal["candidate", "shadow", "active", "probation", "retired"]
ClaimName = Literal["worse", "worse_lately", "not_worse", "better", "hopeless"]
ActionName = Literal["pin", "release", "promote", "demote", "retire"]


class Difference(Struct, frozen=True):
    """A mean of differences, with its confidence sequence in the same unit."""

    mean: float
    low: float
    high: float


class Means(Struct, frozen=True):
    """Mean scores of the two models on the same requests."""

    specialist: float
    generalist: float


class Comparison(Struct, frozen=True):
    """Specialist compared with generalist, on requests that both answered.

    Quality is in [0, 1], so its difference in [-1, 1]: 0.02 is two points. Latency, to the end of
    the answer, and all costs are null while there are too few pairs for an interval.

    Attributes:
        cost: list price, in `currency`.
        engine_seconds: the engines' work; 0 where an engine does not report it.
        expense: what the models cost, in `currency`: the time of a model's machine if that has a
            price, else list price.
        net_worth: quality at `settings.quality_point_worth`, less expense, in `currency`: below 0
            the specialist costs more than it is worth. Null where that is not set. One request's
            expense counts as at most a whole grade.
    """

    quality: Difference
    latency_seconds: Difference | None
    cost: Difference | None
    engine_seconds: Difference | None = None
    expense: Difference | None = None
    net_worth: Difference | None = None


class ClaimBody(Struct, frozen=True):
    """One running test: its claim is accepted when `e_value` reaches `threshold`.

    `in_force` says whether that would change the specialist's current state.
    """

    name: ClaimName
    claim: str
    e_value: float
    threshold: float
    in_force: bool


class TransitionBody(Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """A change of state and its reason; `comparison` is as of that moment.

    `from` is null for a specialist that is new here.
    """

    time: float
    before: StateName | None
    after: StateName
    event: str
    by: Literal["evidence", "operator", "version"]
    reason: str
    version: str
    pairs: int
    comparison: Comparison | None


class SpecialistBody(Struct, frozen=True, kw_only=True):
    """A specialist, its state, and the evidence since it entered that state.

    Attributes:
        since: when it entered this state.
        pinned: whether the operator keeps evidence from changing the state.
        requests: answered by this specialist since the gateway started.
        pairs: requests that both models answered and that were graded, in this state.
        waiting: pairs that wait for a grade.
        transitions: the newest first, at most fifty.
    """

    name: str
    domain: str
    state: StateName
    since: float
    pinned: bool
    version: str
    requests: int
    pairs: int
    waiting: int
    means: Means | None
    comparison: Comparison | None
    tests: list[ClaimBody]
    transitions: list[TransitionBody]


class Totals(Struct, frozen=True, kw_only=True):
    """Everything since the gateway started, beside the all-generalist baseline.

    Attributes:
        requests: answered, by any model.
        routed: of these, answered by a specialist.
        cost: list price of the answers, in `currency`.
        baseline_cost: list price of the same tokens at the generalist.
        comparison: per request of all traffic: the specialists' comparisons, weighted by their
            requests; requests that the generalist answered count as no difference. Null until
            every specialist with traffic was compared.
    """

    requests: int
    routed: int
    routed_share: float
    cost: float
    baseline_cost: float
    savings: float
    savings_share: float
    comparison: Comparison | None


class Budget(Struct, frozen=True, kw_only=True):
    """What shadow answers and the judge may use per day (UTC), and what they used today."""

    max_tokens_per_day: int
    tokens_today: int
    max_cost_per_day: float | None
    cost_today: float
    spent: bool


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of the tests; ratios are of requests, the margin is in quality.

    `quality_point_worth` is in `currency` per request and point; null: quality alone decides. Where
    it is set, the tests and the margin are about net worth.
    """

    sample_ratio: float
    trial_sample_ratio: float
    margin: float
    alpha: float
    confidence: float
    grading: dict[str, str]
    quality_point_worth: float | None = None


class EvidenceBody(Struct, frozen=True, kw_only=True):
    """The body of `GET /v1/niche/evidence`; `enabled` is false where `gateway.shadow` is not set.

    Then `settings` and `budget` are null, and every specialist is active without evidence.
    """

    enabled: bool
    time: float
    currency: str
    generalist: str
    settings: Settings | None
    budget: Budget | None
    totals: Totals
    specialists: list[SpecialistBody]


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/niche/lifecycle/{model}`."""

    action: ActionName
    reason: Annotated[str, Meta(max_length=500)] = ""


class FeedbackBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/feedback`: a score, a right answer, or both.

    Attributes:
        request_id: of the answer, from its header `x-request-id`.
        model: the model of the answer; null: the one that the client got.
        score: how good that answer is.
        correction: a right answer; send it for right answers too, or the evidence is biased.
    """

    request_id: Annotated[str, Meta(min_length=1, max_length=128)]
    model: str | None = None
    score: Annotated[float, Meta(ge=0, le=1)] | None = None
    correction: Annotated[str, Meta(min_length=1, max_length=100_000)] | None = None


class AnswerBody(Struct, frozen=True):
    """One of two answers; `text` is null if texts are not stored."""

    model: str
    text: str | None
    latency_seconds: float
    cost: float


class PairBody(Struct, frozen=True):
    """Two answers to one request that wait for a grade."""

    specialist: AnswerBody
    generalist: AnswerBody


class PairsBody(Struct, frozen=True):
    """The body of `GET /v1/niche/pairs/{request_id}`, for scoring both answers."""

    request_id: str
    pairs: list[PairBody]


class FeedbackReply(Struct, frozen=True):
    """The body of the answer to `POST /v1/feedback`.

    Attributes:
        model: the model of the answer.
        status: `graded`: it completed the grade of a pair; `waiting`: the score of the other answer
            is missing; `noted`: it is kept, and counts if the request is compared later;
            `settled`: earlier feedback to this answer has graded a pair, and nothing changes.
    """

    request_id: str
    model: str
    status: Literal["graded", "waiting", "noted", "settled"]
