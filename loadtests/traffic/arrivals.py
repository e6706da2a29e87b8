"""When requests come: open-loop arrival processes, whatever the server does meanwhile.

One rate (`steady`) makes a Poisson process, as independent clients do: the gaps are exponential.
With `bursty` it switches between two rates, for times that are exponential too.

Rule: the rate over time is drawn from the seed alone, so that all sources (on one machine or many)
burst together; each of them makes its share of the requests. Parts of a Poisson process that is
dealt out at random are Poisson processes themselves, so that many sources make what one would.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Step:
    """A while of one rate: from and until when, in seconds; requests per second."""

    start: float
    end: float
    rate: float

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end or self.rate < 0:
            raise ValueError(f"no step of a rate over time: {self}")


@dataclass(frozen=True)
class Share:
    """One of several sources: its number, how many there are, and the seed of all."""

    number: int = 0
    of: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.of < 1:
            raise ValueError(f"no share: {self}")


def steady(seconds: float, rate: float) -> tuple[Step, ...]:
    """One rate all the time."""
    return (Step(0.0, seconds, rate),)


def bursty(
    seconds: float, rates: tuple[float, float], dwells: tuple[float, float], seed: int
) -> tuple[Step, ...]:
    """Turns of calm and burst, calm first.

    Args:
        seconds: of all.
        rates: requests per second in calm and in a burst.
        dwells: mean seconds of a calm and of a burst; each one's length is exponential.
        seed: the same for all sources.
    """
    if min(dwells) <= 0:
        raise ValueError(f"a calm and a burst must last, not {dwells} seconds")
    random, steps, now, burst = Random(f"{seed} rates"), [], 0.0, False
    while now < seconds:
        end = min(now + random.expovariate(1 / dwells[burst]), seconds)
        steps.append(Step(now, end, rates[burst]))
        now, burst = end, not burst
    return tuple(steps)


def arrivals(steps: tuple[Step, ...], share: Share) -> Iterator[float]:
    """The seconds at which a source's requests come, in order."""
    random = Random(f"{share.seed} arrivals {share.number}")
    for step in steps:
        rate, now = step.rate / share.of, step.start
        while rate > 0:
            now += random.expovariate(rate)
            if now >= step.end:
                break  # a Poisson process has no memory: the next step begins anew
            yield now
