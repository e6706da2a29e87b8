"""What became of one request: the answer, who gave it, what it took. As it is kept on disk."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Seconds since the request was sent.

    Attributes:
        first_seconds: until the first piece of the answer; None if none came.
        seconds: until the last byte.
        per_token_seconds: from the first piece to the last, by the tokens after the first one;
            None for shorter answers, or where nobody counted tokens.
        longest_gap_seconds: the longest wait between two pieces; None with fewer than two.
    """

    first_seconds: float | None
    seconds: float
    per_token_seconds: float | None = None
    longest_gap_seconds: float | None = None


@dataclass(frozen=True)
class Usage:
    """What an answer took, as its server reports it; None: it does not say.

    Attributes:
        prompt_tokens, completion_tokens: by the answering model's tokenizer.
        list_cost: tokens times price, in the gateway's currency.
        attributed_cost: engine seconds times the price of the machine.
        engine_seconds: of engine work for this request.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    list_cost: float | None = None
    attributed_cost: float | None = None
    engine_seconds: float | None = None


@dataclass(frozen=True)
class Outcome:
    """One request of one arm.

    Attributes:
        row: the key of what was asked.
        arm: for whom.
        asked: the model that the request named.
        text: the answer; of a failed request what came of it.
        error: why there is no whole answer; None if there is one.
        model: who answered, where the gateway tells; a route.
        reported_model: the answer's `model`, which every server has.
        domain, reason: the gateway's decision, where it tells.
        finish: `stop` or `length`.
        usage, timing: see there.
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
