"""When requests are sent: open-loop arrival processes, which do not wait for the server.

A constant rate is a Poisson process, like independent clients: gaps are exponential. An alternating
rate switches between calm and burst, each of exponential length.

Rule: the rate over time depends on the seed alone, so that all sources (on one machine or many)
burst together; each source sends its share of the requests. A random split of a Poisson process
gives Poisson processes, so many sources together act like a single one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class RateStep:
    """A time span with one rate: start and end in seconds; requests per second."""

    start: float
    end: float
    rate: float

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end or self.rate < 0:
            raise ValueError(f"invalid step of a rate: {self}")


@dataclass(frozen=True)
class Source:
    """One of several sources of requests: its number, how many there are, and the common seed."""

    number: int = 0
    count: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be at least 1: {self}")


def constant_rate(seconds: float, rate: float) -> tuple[RateStep, ...]:
    """A constant rate."""
    return (RateStep(0.0, seconds, rate),)


def alternating_rate(
    seconds: float, rates: tuple[float, float], mean_seconds: tuple[float, float], seed: int
) -> tuple[RateStep, ...]:
    """Calm and burst in turn, calm first.

    Args:
        seconds: total duration.
        rates: requests per second in calm and in bursts.
        mean_seconds: the mean length of a calm and of a burst; each length is exponential.
        seed: the same for all sources.
    """
    if min(mean_seconds) <= 0:
        raise ValueError(f"mean_seconds of calm and burst must be positive: {mean_seconds}")
    random, steps, now, burst = Random(f"{seed} rates"), [], 0.0, False
    while now < seconds:
        end = min(now + random.expovariate(1 / mean_seconds[burst]), seconds)
        steps.append(RateStep(now, end, rates[burst]))
        now, burst = end, not burst
    return tuple(steps)


def arrivals(steps: tuple[RateStep, ...], source: Source) -> Iterator[float]:
    """The seconds at which a source sends its requests, in order."""
    random = Random(f"{source.seed} arrivals {source.number}")
    for step in steps:
        rate, now = step.rate / source.count, step.start
        while rate > 0:
            now += random.expovariate(rate)
            if now >= step.end:
                break  # a Poisson process is memoryless: draw again in the next step
            yield now
