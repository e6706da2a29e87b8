"""A scenario: what is asked of whom, when, how it is read, and what must hold. One YAML file each.

Rule: every scenario is bounded in time and in number of requests.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from loadtests.traffic.arrivals import Step, bursty, steady
from loadtests.traffic.errors import TrafficError
from loadtests.traffic.slo import measure

FOLDER = Path(__file__).parents[1] / "scenarios"
"""Where the project's own lie."""

_PER_SOURCE = 40.0
"""Requests per second that one source makes; more are dealt over several, and so over workers."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Poisson(_Section):
    """Independent clients, as many as there are."""

    kind: Literal["poisson"]
    rps: float = Field(gt=0, le=10_000, description="requests per second, on average")

    def steps(self, seconds: float, seed: int) -> tuple[Step, ...]:
        """The rate over time."""
        del seed
        return steady(seconds, self.rps)

    @property
    def peak(self) -> float:
        """The highest rate."""
        return self.rps

    def times(self, factor: float) -> "Poisson":
        """The same, with so many times as many requests."""
        return Poisson(kind="poisson", rps=self.rps * factor)


class Bursts(_Section):
    """Calm and bursts in turn, each lasting an exponential time."""

    kind: Literal["bursts"]
    rps: float = Field(ge=0, le=10_000, description="requests per second in calm")
    burst_rps: float = Field(gt=0, le=10_000, description="requests per second in a burst")
    calm_seconds: float = Field(gt=0, description="mean length of a calm")
    burst_seconds: float = Field(gt=0, description="mean length of a burst")

    def steps(self, seconds: float, seed: int) -> tuple[Step, ...]:
        """The rate over time."""
        rates, dwells = (self.rps, self.burst_rps), (self.calm_seconds, self.burst_seconds)
        return bursty(seconds, rates, dwells, seed)

    @property
    def peak(self) -> float:
        """The highest rate."""
        return max(self.rps, self.burst_rps)

    def times(self, factor: float) -> "Bursts":
        """The same, with so many times as many requests."""
        rates = {"rps": self.rps * factor, "burst_rps": self.burst_rps * factor}
        return self.model_copy(update=rates)


class Closed(_Section):
    """So many clients; each asks, reads, thinks, and asks again: a slow server is asked less."""

    kind: Literal["closed"]
    clients: int = Field(ge=1, le=10_000, description="who ask at the same time")
    think_seconds: float = Field(default=0, ge=0, description="mean pause; exponential")


Arrivals = Annotated[Poisson | Bursts | Closed, Field(discriminator="kind")]


class Readers(_Section):
    """How answers are read, by shares; the rest is patient."""

    slow: float = Field(default=0, ge=0, le=1, description="share that reads slowly")
    slow_pause_seconds: float = Field(default=0.5, gt=0, description="between two of their reads")
    leaving: float = Field(default=0, ge=0, le=1, description="share that hangs up")
    leaving_after_seconds: tuple[float, float] = Field(
        default=(0.05, 2.0), description="when: anywhere between these"
    )

    @model_validator(mode="after")
    def _shares(self) -> "Readers":
        if self.slow + self.leaving > 1:
            raise ValueError(f"slow ({self.slow}) and leaving ({self.leaving}) are more than all")
        if not 0 < self.leaving_after_seconds[0] <= self.leaving_after_seconds[1]:
            raise ValueError("leaving_after_seconds: from the shorter to the longer, above zero")
        return self


class Scenario(_Section):
    """The whole of it."""

    about: str = Field(min_length=1, description="what it shows, in a sentence")
    seconds: float = Field(gt=0, le=86_400, description="how long requests come")
    arrivals: Arrivals = Field(description="when they come")
    shares: Mapping[str, Annotated[float, Field(ge=0)]] = Field(
        min_length=1, description="of each domain's prompts; relative to each other"
    )
    model: str = Field(default="auto", min_length=1, description="who is asked")
    max_tokens: int | None = Field(
        default=None, ge=1, description="of an answer; None: as the domain's prompts say"
    )
    padding_words: tuple[int, int] = Field(
        default=(0, 0), description="said before the prompt: so many words, from and to"
    )
    readers: Readers = Field(default=Readers(), description="how answers are read")
    timeout_seconds: float = Field(default=60, gt=0, le=3600, description="then a request failed")
    max_in_flight: int = Field(
        default=500,
        ge=1,
        description="requests of a process; more are not sent, and count as unsent",
    )
    max_requests: int = Field(default=100_000, ge=1, description="more are not made")
    seed: int = Field(default=0, description="of all that is drawn")
    slos: Mapping[str, float] = Field(default={}, description="targets; see `slo.py`")

    @model_validator(mode="after")
    def _possible(self) -> "Scenario":
        for name in self.slos:
            measure(name)
        if sum(self.shares.values()) <= 0:
            raise ValueError("shares: one must be above zero")
        low, high = self.padding_words
        if not 0 <= low <= high:
            raise ValueError("padding_words: from the fewer to the more, none below zero")
        return self

    @property
    def sources(self) -> int:
        """How many of Locust's users it takes: clients, or sources of an open loop."""
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
        name: of either.
        changes: keys that have other values than in the file.
        slos: targets beside the file's, or with other limits; `inf` takes one away.

    Raises:
        TrafficError: there is none, or it has faults.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrafficError(
            f"no scenario {name!r}; there are {', '.join(names())}; or give a file, *.yaml"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TrafficError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise TrafficError(f"{path}: expected a mapping, got {type(raw).__name__}")
    try:
        targets = {**(raw.get("slos") or {}), **(slos or {})}
        kept = {key: limit for key, limit in targets.items() if limit != math.inf}
        return Scenario.model_validate({**raw, **(changes or {}), "slos": kept})
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "file"
        raise TrafficError(f"{path}: {where}: {fault['msg']}") from error


def faster(scenario: Scenario, factor: float) -> Scenario:
    """The same at another rate, or with other clients, so many times as many."""
    arrivals = scenario.arrivals
    if isinstance(arrivals, Closed):
        clients = max(1, round(arrivals.clients * factor))
        changed: Poisson | Bursts | Closed = arrivals.model_copy(update={"clients": clients})
    else:
        changed = arrivals.times(factor)
    return scenario.model_copy(update={"arrivals": changed})
