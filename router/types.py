"""The router's values: queries, scores and decisions. All are frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from deployments.protocol import Message

GENERAL = "general"
"""The domain of everything that belongs to no specialist."""


class Reason(StrEnum):
    """Why a model was chosen. A closed set, since it is a metric label."""

    ROUTED = "routed"
    GENERAL = "general"
    LOW_CONFIDENCE = "low_confidence"
    OUT_OF_DISTRIBUTION = "out_of_distribution"
    REQUESTED = "requested"
    UNHEALTHY = "unhealthy"
    OVERLOADED = "overloaded"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    GUARANTEE_INFEASIBLE = "guarantee_infeasible"
    CLASSIFIER_UNAVAILABLE = "classifier_unavailable"
    NO_ACTIVE_SPECIALIST = "no_active_specialist"
    LACKS_CAPABILITY = "lacks_capability"
    SAME_CONVERSATION = "same_conversation"


@dataclass(frozen=True, slots=True)
class Query:
    """The input of a decision: the conversation as the client sent it, or a bare text."""

    messages: tuple[Message, ...] = ()
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """The classifier's scores of a query.

    Attributes:
        probabilities: calibrated probability per domain, summing to 1; `GENERAL` is among them.
        ood_score: how unlike the training prompts the query is (higher is less like them).
        max_ood_score: above it the query is out of distribution.
        truncated: whether the text was cut before encoding.
        min_confidence: the artifact's threshold on the confidence; below it the generalist
            answers.
    """

    probabilities: Mapping[str, float]
    ood_score: float
    max_ood_score: float
    truncated: bool = False
    min_confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """The models that answer a request, and why.

    Attributes:
        domain: the likeliest domain (or the requested model's own).
        candidates: models to ask, best first; each is the fallback of the one before. Empty if
            none can do what the request needs.
        reason: why the first candidate comes first.
        confidence: calibrated probability of `domain`; 1.0 when nothing was to be classified.
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
class Source:
    """Where the text that decided comes from.

    Attributes:
        turns_back: 0 for the user's last message, 1 for the user's message before it, and so on.
        with_system: whether the system prompt was read with it.
        characters: how many there were to read.
        shortened: whether some of them were left out.
    """

    turns_back: int
    with_system: bool
    characters: int
    shortened: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the text that decided.

    Attributes:
        text: a word, a line or a sentence with the white space around it.
        effect: the probability of the likeliest domain, minus that without this part, in [-1, 1];
            None for what the router itself wrote, such as "User: ".
    """

    text: str
    effect: float | None


@dataclass(frozen=True, slots=True)
class Form:
    """The form that a request is most likely put in, such as "other task"."""

    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class Rationale:
    """Why a query has its scores.

    Attributes:
        source: where the text comes from; None for a query without text.
        pieces: the text, in order; joined, they are the text as it was encoded.
        neighbours: the nearest training prompts, best first.
        form: the text's form; None if the artifact has not learnt forms.
    """

    source: Source | None = None
    pieces: tuple[Piece, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Explains a decision: the scores, the thresholds in force, and what led to the scores.

    Attributes:
        probabilities: calibrated probability per domain.
        min_confidence: the threshold in force on the confidence.
        ood_score: how unlike the training prompts the text is.
        max_ood_score: the threshold in force on the OOD score.
        truncated: whether the text was cut before it was encoded.
        rationale: why the query has these scores; None if nobody asked for it.
        guarantee: the guarantee, or why it is infeasible; None if none is configured.
    """

    probabilities: Mapping[str, float]
    min_confidence: float
    ood_score: float
    max_ood_score: float
    truncated: bool
    rationale: Rationale | None = None
    guarantee: str | None = None
