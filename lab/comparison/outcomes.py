"""The outcome of one request, as stored on disk: answer, model, usage and timing."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Times of one answer, in seconds.

    Attributes:
        first_seconds: from sending to the first piece of the answer; None without one.
        seconds: from sending to the last byte.
        per_token_seconds: from the first piece to the last, divided by the tokens after the first;
            None for answers of one token, or without a token count.
        longest_gap_seconds: the longest wait between two pieces; None with fewer than two.
    """

    first_seconds: float | None
    seconds: float
    per_token_seconds: float | None = None
    longest_gap_seconds: float | None = None


@dataclass(frozen=True)
class Usage:
    """The usage that the server reports for an answer; None: not reported.

    Attributes:
        prompt_tokens, completion_tokens: by the answering model's tokenizer.
        list_cost: tokens times price, in the gateway's currency.
        attributed_cost: engine seconds times the price of the machine.
        engine_seconds: engine time of this request.
        cached_tokens: those of the prompt that the model had in its cache.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    list_cost: float | None = None
    attributed_cost: float | None = None
    engine_seconds: float | None = None
    cached_tokens: int | None = None


@dataclass(frozen=True)
class Outcome:
    """One request of one arm.

    Attributes:
        row: the row's key.
        arm: the arm's name.
        asked: the model named in the request.
        text: the answer; for a failed request, the part that was received.
        error: why there is no complete answer; None if there is one.
        model: the model that answered, if the gateway reports it.
        reported_model: the field `model` of the answer, which every server sends.
        domain, reason: the gateway's decision, if reported.
        finish: `stop` or `length`.
        usage, timing: see `Usage` and `Timing`.
    """

    row: str
    arm: str
    asked: str
    text: str
    timing: Timing
    usage: Usage = Usage()
    error: str | None = None
    model: str | None = None
    reported_model: str | None = None
    domain: str | None = None
    reason: str | None = None
    finish: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Outcome":
        """The reverse of `as_json`."""
        timing, usage = Timing(**fields["timing"]), Usage(**fields["usage"])
        return cls(**{**fields, "timing": timing, "usage": usage})
