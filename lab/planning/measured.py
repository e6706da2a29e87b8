"""What is known of requests: where those of each domain go, and what each model takes for one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

ANY = ""
"""The domain of what is known of a model whatever it is asked."""


@dataclass(frozen=True)
class Work:
    """What so many requests took together: engine seconds, and tokens generated."""

    requests: float
    seconds: float
    tokens: float = 0.0

    def __post_init__(self) -> None:
        if self.requests <= 0 or min(self.seconds, self.tokens) < 0:
            raise ValueError(f"no work: {self}")

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.requests + other.requests,
            self.seconds + other.seconds,
            self.tokens + other.tokens,
        )

    @property
    def seconds_each(self) -> float:
        """Engine seconds of a request."""
        return self.seconds / self.requests

    @property
    def tokens_each(self) -> float:
        """Tokens generated for a request."""
        return self.tokens / self.requests


@dataclass(frozen=True)
class Measured:
    """All of it.

    Attributes:
        traffic: routed requests by domain and model.
        work: by domain and model; the domain may be `ANY`.
        sources: where it comes from, in words.
    """

    traffic: Mapping[tuple[str, str], float] = field(default_factory=dict)
    work: Mapping[tuple[str, str], Work] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    def of(self, domain: str, model: str) -> Work | None:
        """What a model takes for a domain's requests: as seen there, else as seen anywhere."""
        return self.work.get((domain, model)) or self.work.get((ANY, model))

    @property
    def mix(self) -> dict[str, float]:
        """The share of each domain in the traffic; empty where none was seen."""
        total = sum(self.traffic.values())
        shares: dict[str, float] = {}
        for (domain, _), count in self.traffic.items():
            shares[domain] = shares.get(domain, 0.0) + count / total
        return shares

    def route(self, domain: str) -> dict[str, float]:
        """Which share of a domain's requests each model gets; empty where none was seen."""
        seen = {model: count for (own, model), count in self.traffic.items() if own == domain}
        total = sum(seen.values())
        return {model: count / total for model, count in seen.items()} if total else {}


def together(parts: Iterable[Measured]) -> Measured:
    """Several measurements as one."""
    traffic: dict[tuple[str, str], float] = {}
    work: dict[tuple[str, str], Work] = {}
    sources: tuple[str, ...] = ()
    for part in parts:
        for key, count in part.traffic.items():
            traffic[key] = traffic.get(key, 0.0) + count
        for key, of in part.work.items():
            work[key] = work[key] + of if key in work else of
        sources += part.sources
    return Measured(traffic, work, sources)
