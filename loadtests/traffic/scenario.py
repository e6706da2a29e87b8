"""A scenario from a YAML file: requests, arrival process, readers and objectives.

Rule: every scenario is bounded in time and in number of requests.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from loadtests.traffic.arrivals import RateStep, alternating_rate, constant_rate
from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.slo import measure

FOLDER = Path(__file__).parents[1] / "scenarios"
"""The folder of the project's scenarios."""

_PER_SOURCE = 40.0
"""The largest rate of one source; higher rates use several sources, spread over the workers."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Poisson(_Section):
    """Independent clients: a Poisson process."""

    kind: Literal["poisson"]
    rps: float = Field(gt=0, le=10_000, description="requests per second, on average")

    def steps(self, seconds: float, seed: int) -> tuple[RateStep, ...]:
        """The rate over time."""
        del seed
        return constant_rate(seconds, self.rps)

    @property
    def peak(self) -> float:
        """The highest rate."""
        return self.rps

    def scaled(self, factor: float) -> "Poisson":
        """A copy with a multiple of the rate."""
        return Poisson(kind="poisson", rps=self.rps * factor)


class Bursts(_Section):
    """Calm and bursts in turn, each lasting an exponential time."""

    kind: Literal["bursts"]
    rps: float = Field(ge=0, le=10_000, description="requests per second in calm")
    burst_rps: float = Field(gt=0, le=10_000, description="requests per second in a burst")
    calm_seconds: float = Field(gt=0, description="mean length of a calm")
    burst_seconds: float = Field(gt=0, description="mean length of a burst")

    def steps(self, seconds: float, seed: int) -> tuple[RateStep, ...]:
        """The rate over time."""
        rates, lengths = (self.rps, self.burst_rps), (self.calm_seconds, self.burst_seconds)
        return alternating_rate(seconds, rates, lengths, seed)

    @property
    def peak(self) -> float:
        """The highest rate."""
        return max(self.rps, self.burst_rps)

    def scaled(self, factor: float) -> "Bursts":
        """A copy with a multiple of the rate."""
        rates = {"rps": self.rps * factor, "burst_rps": self.burst_rps * factor}
        return self.model_copy(update=rates)


class Closed(_Section):
    """A closed loop: each client sends a request, reads, pauses and repeats. A slow server gets
    fewer requests."""

    kind: Literal["closed"]
    clients: int = Field(ge=1, le=10_000, description="number of clients")
    think_seconds: float = Field(default=0, ge=0, description="mean pause; exponential")


Arrivals = Annotated[Poisson | Bursts | Closed, Field(discriminator="kind")]


class Readers(_Section):
    """Shares of slow and disconnecting readers; all others read at full speed to the end."""

    slow: float = Field(default=0, ge=0, le=1, description="share that reads slowly")
    slow_pause_seconds: float = Field(default=0.5, gt=0, description="between two of their reads")
    disconnecting: float = Field(default=0, ge=0, le=1, description="share that hangs up")
    disconnect_after_seconds: tuple[float, float] = Field(
        default=(0.05, 2.0), description="when, drawn between these"
    )

    @model_validator(mode="after")
    def _shares(self) -> "Readers":
        if self.slow + self.disconnecting > 1:
            raise ValueError(
                f"slow ({self.slow}) and disconnecting ({self.disconnecting}) exceed 1"
            )
        if not 0 < self.disconnect_after_seconds[0] <= self.disconnect_after_seconds[1]:
            raise ValueError("disconnect_after_seconds: two positive numbers, the smaller first")
        return self


class Scenario(_Section):
    """All settings of a load test."""

    about: str = Field(min_length=1, description="what it shows, in a sentence")
    seconds: float = Field(gt=0, le=86_400, description="for which requests are sent")
    arrivals: Arrivals = Field(description="the arrival process")
    shares: Mapping[str, Annotated[float, Field(ge=0)]] = Field(
        min_length=1, description="of each domain's prompts, relative to each other"
    )
    model: str = Field(default="auto", min_length=1, description="the model that requests name")
    max_tokens: int | None = Field(
        default=None, ge=1, description="of an answer; by default as the domain's prompts say"
    )
    padding_words: tuple[int, int] = Field(
        default=(0, 0), description="words of padding before each prompt, from and to"
    )
    readers: Readers = Field(default=Readers(), description="how answers are read")
    timeout_seconds: float = Field(
        default=60, gt=0, le=3600, description="after which a request has failed"
    )
    max_in_flight: int = Field(
        default=500,
        ge=1,
        description="per process; further requests are not sent and count as unsent",
    )
    max_requests: int = Field(default=100_000, ge=1, description="in all")
    seed: int = Field(default=0, description="of all random choices")
    slos: Mapping[str, float] = Field(default={}, description="objectives; see `slo.py`")

    @model_validator(mode="after")
    def _possible(self) -> "Scenario":
        for name in self.slos:
            measure(name)
        if sum(self.shares.values()) <= 0:
            raise ValueError("shares: one must be positive")
        low, high = self.padding_words
        if not 0 <= low <= high:
            raise ValueError("padding_words: two numbers from 0, the smaller first")
        return self

    @property
    def sources(self) -> int:
        """The number of Locust users: the clients of a closed loop, or the sources of an open
        one."""
        if isinstance(self.arrivals, Closed):
            return self.arrivals.clients
        return max(1, -int(-self.arrivals.peak // _PER_SOURCE))


def names() -> tuple[str, ...]:
    """The project's own scenarios."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def read_scenario(
    name: str,
    changes: Mapping[str, Any] | None = None,
    slos: Mapping[str, float] | None = None,
) -> Scenario:
    """A scenario of the project by its name, or of a file by its path.

    Args:
        name: the name or the path.
        changes: values that replace the file's, by key.
        slos: objectives that add to the file's or replace their limits; `inf` removes one.

    Raises:
        LoadTestError: it does not exist, or is invalid.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LoadTestError(
            f"no scenario {name!r}; known: {', '.join(names())}; or give a file, *.yaml"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LoadTestError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise LoadTestError(f"{path}: expected a mapping, got {type(raw).__name__}")
    try:
        limits = {**(raw.get("slos") or {}), **(slos or {})}
        kept = {key: limit for key, limit in limits.items() if limit != math.inf}
        return Scenario.model_validate({**raw, **(changes or {}), "slos": kept})
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "file"
        raise LoadTestError(f"{path}: {where}: {fault['msg']}") from error


def scaled(scenario: Scenario, factor: float) -> Scenario:
    """A copy with a multiple of the rate or of the clients."""
    arrivals = scenario.arrivals
    if isinstance(arrivals, Closed):
        clients = max(1, round(arrivals.clients * factor))
        changed: Poisson | Bursts | Closed = arrivals.model_copy(update={"clients": clients})
    else:
        changed = arrivals.scaled(factor)
    return scenario.model_copy(update={"arrivals": changed})
