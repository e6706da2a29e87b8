"""The router's vocabulary: what it is asked, what it sees, what it decides. Frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from deployments.protocol import Message

GENERAL = "general"
"""The domain of everything that is no specialist's."""


class Reason(StrEnum):
    """Why a model was chosen. A closed set: it is a metric label and a response header."""

    ROUTED = "routed"
    GENERAL = "general"
    LOW_CONFIDENCE = "low_confidence"
    OUT_OF_SCOPE = "out_of_scope"
    REQUESTED = "requested"
    UNHEALTHY = "unhealthy"
    OVERLOADED = "overloaded"
    TOO_LONG = "too_long"
    NO_GUARANTEE = "no_guarantee"
    UNCLASSIFIED = "unclassified"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class Query:
    """What a decision is made from: the conversation as the client sent it, or a bare text."""

    messages: tuple[Message, ...] = ()
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """What the classifier sees in a query.

    Attributes:
        probabilities: calibrated probability per domain, summing to 1; `GENERAL` is among them.
        scope: how familiar the query looks (higher is more familiar); compare with
            `scope_threshold`.
        scope_threshold: below it the query is out of scope.
        truncated: whether the text was cut before it was encoded.
        min_confidence: the artifact's own threshold on the confidence; below it the generalist
            answers.
    """

    probabilities: Mapping[str, float]
    scope: float
    scope_threshold: float
    truncated: bool = False
    min_confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a request goes.

    Attributes:
        domain: the likeliest domain (or the requested model's own).
        candidates: models to ask, best first; the next is asked when one is unhealthy or
            overloaded.
        reason: why the first candidate comes first.
        confidence: calibrated probability of `domain`; 1.0 when the model was requested by name.
    """

    domain: str
    candidates: tuple[str, ...]
    reason: Reason
    confidence: float
    scores: Scores | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training prompt near a query; `similarity` is the cosine of their vectors."""

    text: str
    domain: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a text is routed as it is: the scores, the thresholds in force, and what it resembles.

    Attributes:
        probabilities: calibrated probability per domain.
        min_confidence: the threshold on the confidence that is in force.
        scope: familiarity of the text.
        scope_threshold: the threshold on the familiarity that is in force.
        truncated: whether the text was cut before it was encoded.
        neighbours: the nearest training prompts, best first.
        guarantee: what is guaranteed, or why nothing is; None when no guarantee was asked for.
    """

    probabilities: Mapping[str, float]
    min_confidence: float
    scope: float
    scope_threshold: float
    truncated: bool
    neighbours: tuple[Neighbour, ...]
    guarantee: str | None = None
