"""Evidence that compares a specialist with the generalist, from requests that both answered.

Each such pair gives a difference of two scores, in [-1, 1]. Mixtures of e-processes (`betting`) bet
on its mean; the wealth of one is an e-value: under the hypothesis that it bets against, it ever
reaches 1 / alpha with a probability of at most alpha, however often it is checked.

    worse         against "at least as good as the generalist, but for the margin"
    worse_lately  the same, restarted whenever the wealth falls below 1 (an e-detector)
    not_worse     against "worse by the margin or more"
    better        against "not better than the generalist"

All but `worse_lately` follow from the counts of the differences; so does the interval of their
mean, which holds at all times simultaneously. `worse_lately` detects a specialist that turns bad
after a long time: the others first have to win back the wealth lost in a good past. A threshold c
for it means at most one false alarm in c pairs on average, not a level of 1 / c.

Rule: scores are rounded to three decimals, so that there are at most 2,001 differences and the
evidence stays small for any number of pairs.

Sources: see `betting`; Shin, Ramdas and Rinaldo, E-detectors: a nonparametric framework for
sequential change detection, arXiv:2203.03532.
"""

import math
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from router.selection.betting import (
    MIXTURE_SIZE,
    mix,
    mixture_growth,
    mixture_log_wealth,
    mixture_upper_bound,
)
from router.selection.moments import Interval, Moments

Doubles = NDArray[np.float64]
_Number = TypeVar("_Number", float, Doubles)

_STEPS = 1000
"""The resolution of scores: three decimals."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One request that both models answered.

    Attributes:
        specialist: the score of its answer, in [0, 1].
        generalist: the score of the generalist's answer, in [0, 1].
        latency_seconds: the specialist's less the generalist's.
        cost: the same, in currency units.

    Raises:
        ValueError: a score is out of bounds, or a difference is not finite.
    """

    specialist: float
    generalist: float
    latency_seconds: float = 0.0
    cost: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.specialist <= 1 and 0 <= self.generalist <= 1):
            raise ValueError(f"scores {self.specialist} and {self.generalist} are not in [0, 1]")
        if not (math.isfinite(self.latency_seconds) and math.isfinite(self.cost)):
            raise ValueError(f"latency {self.latency_seconds} or cost {self.cost} is not finite")


@dataclass(frozen=True, slots=True)
class EValues:
    """The natural logarithms of the e-values that the module defines."""

    worse: float
    worse_lately: float
    not_worse: float
    better: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """The pairs of one specialist, since some moment.

    Attributes:
        counts: how often each difference occurred: (thousandths, number), by difference.
        lately: the log wealth of each e-process behind `worse_lately`.
        specialist: mean score of its answers.
        generalist: mean score of the generalist's answers.
        latency_seconds: of the differences in latency.
        cost: of the differences in cost.
    """

    counts: tuple[tuple[int, int], ...] = ()
    lately: tuple[float, ...] = (0.0,) * MIXTURE_SIZE
    specialist: Moments = field(default_factory=Moments)
    generalist: Moments = field(default_factory=Moments)
    latency_seconds: Moments = field(default_factory=Moments)
    cost: Moments = field(default_factory=Moments)

    @property
    def pairs(self) -> int:
        """How many."""
        return self.specialist.count

    def after(self, pair: Pair, margin: float) -> "Evidence":
        """The evidence with one more pair.

        Args:
            pair: the newest.
            margin: see `e_values`; the same for all pairs.
        """
        specialist, generalist = _rounded(pair.specialist), _rounded(pair.generalist)
        difference = specialist - generalist
        counts = dict(self.counts)
        counts[difference] = counts.get(difference, 0) + 1
        growth = mixture_growth(_unit(np.array(difference / _STEPS)), _unit(-margin))
        return Evidence(
            counts=tuple(sorted(counts.items())),
            lately=tuple((np.maximum(self.lately, 0) + growth).tolist()),
            specialist=self.specialist.after(specialist / _STEPS),
            generalist=self.generalist.after(generalist / _STEPS),
            latency_seconds=self.latency_seconds.after(pair.latency_seconds),
            cost=self.cost.after(pair.cost),
        )

    def e_values(self, margin: float) -> EValues:
        """The e-value of each claim, as logarithms.

        Args:
            margin: in (0, 1); a smaller loss of quality counts as no worse.
        """
        values, counts = self._seen()
        # Mirrored values bet that the mean is larger.
        return EValues(
            worse=mixture_log_wealth(values, counts, _unit(-margin)),
            worse_lately=float(mix(np.array(self.lately))),
            not_worse=mixture_log_wealth(1 - values, counts, 1 - _unit(-margin)),
            better=mixture_log_wealth(1 - values, counts, 1 - _unit(0.0)),
        )

    def quality(self, level: float) -> Interval | None:
        """The mean difference; its interval ever misses with a probability of at most `level`.

        None without pairs.
        """
        if not self.pairs:
            return None
        values, counts = self._seen()
        high = mixture_upper_bound(values, counts, level / 2)
        low = 1 - mixture_upper_bound(1 - values, counts, level / 2)
        mean = self.specialist.mean - self.generalist.mean
        return Interval(mean, 2 * low - 1, 2 * high - 1)

    def _seen(self) -> tuple[Doubles, Doubles]:
        """The differences, from [-1, 1] to [0, 1], and their numbers."""
        table = np.array(self.counts, dtype=np.float64).reshape(-1, 2)
        return _unit(table[:, 0] / _STEPS), table[:, 1]


def _rounded(score: float) -> int:
    return round(score * _STEPS)


def _unit(difference: _Number) -> _Number:
    """From [-1, 1], where differences lie, to [0, 1], where bets are made."""
    return (difference + 1) / 2
