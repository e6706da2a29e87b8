"""Evidence that compares a specialist with the generalist, from requests that both answered.

Each such pair gives a difference of two scores, in [-1, 1]. Mixtures of e-processes (`betting`) bet
on its mean; the wealth of one is an e-value: under the hypothesis that it bets against, it ever
reaches 1 / alpha with a probability of at most alpha, however often it is checked. Where a point of
quality has a worth in money, they bet on the net difference, in [-2, 2], instead: that of the
scores, less the difference in expense as quality.

    worse         against "at least as good as the generalist, but for the margin"
    worse_lately  the same, restarted whenever the wealth falls below 1 (an e-detector)
    not_worse     against "worse by the margin or more"
    better        against "not better than the generalist"

All but `worse_lately` follow from the counts of the differences; so does the interval of their
mean, which holds at all times simultaneously. `worse_lately` detects a specialist that turns bad
after a long time: the others first have to win back the wealth lost in a good past. A threshold c
for it means at most one false alarm in c pairs on average, not a level of 1 / c.

Rules: scores and net differences are rounded to three decimals, so that there are at most 2,001 and
4,001 differences and the evidence stays small for any number of pairs. In a net difference one
request's expense counts as at most a whole grade, since bets need bounds.

Sources: see `betting`; Shin, Ramdas and Rinaldo, E-detectors: a nonparametric framework for
sequential change detection, arXiv:2203.03532.
"""

import math
from dataclasses import dataclass, field, replace
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

POINTS = 100
"""The points of quality in a whole grade."""

_STEPS = 1000
"""The resolution of scores: three decimals."""

_LARGEST_MONEY = 1.0
"""The most quality that the expense of one request counts as: a whole grade."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One request that both models answered.

    Attributes:
        specialist: the score of its answer, in [0, 1].
        generalist: the score of the generalist's answer, in [0, 1].
        latency_seconds: the specialist's less the generalist's.
        cost: the same, of the list prices, in currency units.
        engine_seconds: the same, of the engines' work.
        expense: the same, of what each model costs: the time of its machine if that has a price,
            else list price; in currency units.
        priced: whether cost and expense are of the prices in force; else they do not count.

    Raises:
        ValueError: a score is out of bounds, or a difference is not finite.
    """

    specialist: float
    generalist: float
    latency_seconds: float = 0.0
    cost: float = 0.0
    engine_seconds: float = 0.0
    expense: float = 0.0
    priced: bool = True

    def __post_init__(self) -> None:
        if not (0 <= self.specialist <= 1 and 0 <= self.generalist <= 1):
            raise ValueError(f"scores {self.specialist} and {self.generalist} are not in [0, 1]")
        others = (self.latency_seconds, self.cost, self.engine_seconds, self.expense)
        if not all(map(math.isfinite, others)):
            raise ValueError(
                f"latency {self.latency_seconds}, cost {self.cost}, engine seconds "
                f"{self.engine_seconds} or expense {self.expense} is not finite"
            )

    def net(self, point_worth: float) -> float:
        """The net difference, in [-2, 2]: more is better.

        Args:
            point_worth: what a point of quality is worth, in currency units.
        """
        money = self.expense / (POINTS * point_worth)
        money = min(max(money, -_LARGEST_MONEY), _LARGEST_MONEY)
        return self.specialist - self.generalist - money


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
        cost: of the differences in list price.
        engine_seconds: of the differences in the engines' work.
        expense: of the differences in expense.
        net_counts: as `counts`, of net differences; empty where a point of quality has no worth.
    """

    counts: tuple[tuple[int, int], ...] = ()
    lately: tuple[float, ...] = (0.0,) * MIXTURE_SIZE
    specialist: Moments = field(default_factory=Moments)
    generalist: Moments = field(default_factory=Moments)
    latency_seconds: Moments = field(default_factory=Moments)
    cost: Moments = field(default_factory=Moments)
    engine_seconds: Moments = field(default_factory=Moments)
    expense: Moments = field(default_factory=Moments)
    net_counts: tuple[tuple[int, int], ...] = ()

    @property
    def pairs(self) -> int:
        """How many."""
        return self.specialist.count

    def after(self, pair: Pair, margin: float, point_worth: float | None = None) -> "Evidence":
        """The evidence with one more pair.

        Args:
            pair: the newest.
            margin: see `e_values`; the same for all pairs.
            point_worth: what a point of quality is worth, in currency units; None: quality alone
                decides. The same for all pairs.
        """
        specialist, generalist = _rounded(pair.specialist), _rounded(pair.generalist)
        difference, bound, net_counts = specialist - generalist, 1.0, self.net_counts
        counts = _counted(self.counts, difference)
        if point_worth is not None:
            difference, bound = _rounded(pair.net(point_worth)), 1 + _LARGEST_MONEY
            net_counts = _counted(net_counts, difference)
        growth = mixture_growth(_unit(np.array(difference / _STEPS), bound), _unit(-margin, bound))
        return Evidence(
            counts=counts,
            lately=tuple((np.maximum(self.lately, 0) + growth).tolist()),
            specialist=self.specialist.after(specialist / _STEPS),
            generalist=self.generalist.after(generalist / _STEPS),
            latency_seconds=self.latency_seconds.after(pair.latency_seconds),
            cost=self.cost.after(pair.cost) if pair.priced else self.cost,
            engine_seconds=self.engine_seconds.after(pair.engine_seconds),
            expense=self.expense.after(pair.expense) if pair.priced else self.expense,
            net_counts=net_counts,
        )

    def without_money(self) -> "Evidence":
        """The same without what the pairs cost, for other prices."""
        return replace(self, cost=Moments(), expense=Moments())

    def e_values(self, margin: float) -> EValues:
        """The e-value of each claim, as logarithms.

        Args:
            margin: in (0, 1); a smaller loss of quality, or of net worth in points / 100, counts as
                no worse.
        """
        deciding = self._net if self.net_counts else self._quality
        return EValues(
            worse=deciding.below(-margin),
            worse_lately=float(mix(np.array(self.lately))),
            not_worse=deciding.above(-margin),
            better=deciding.above(0.0),
        )

    def quality(self, level: float) -> Interval | None:
        """The mean difference; its interval ever misses with a probability of at most `level`.

        None without pairs.
        """
        return self._quality.interval(level)

    def net(self, level: float) -> Interval | None:
        """The same of the net differences; None where a point of quality has no worth."""
        return self._net.interval(level)

    @property
    def _quality(self) -> "_Differences":
        return _Differences(self.counts, 1.0)

    @property
    def _net(self) -> "_Differences":
        return _Differences(self.net_counts, 1 + _LARGEST_MONEY)


@dataclass(frozen=True, slots=True)
class _Differences:
    """Differences in [-bound, bound]: (thousandths, number), by difference."""

    counts: tuple[tuple[int, int], ...]
    bound: float

    def below(self, mean: float) -> float:
        """Log of the wealth of bets on less than `mean`."""
        values, counts = self._seen()
        return mixture_log_wealth(values, counts, _unit(mean, self.bound))

    def above(self, mean: float) -> float:
        """Log of the wealth of bets on more than `mean`: those on less, mirrored."""
        values, counts = self._seen()
        return mixture_log_wealth(1 - values, counts, 1 - _unit(mean, self.bound))

    def interval(self, level: float) -> Interval | None:
        """The mean, with an interval that holds at all times; None without differences."""
        if not self.counts:
            return None
        values, counts = self._seen()
        high = mixture_upper_bound(values, counts, level / 2)
        low = 1 - mixture_upper_bound(1 - values, counts, level / 2)
        total = sum(difference * number for difference, number in self.counts)
        mean = total / _STEPS / sum(number for _, number in self.counts)
        return Interval(mean, self.bound * (2 * low - 1), self.bound * (2 * high - 1))

    def _seen(self) -> tuple[Doubles, Doubles]:
        """The differences, in [0, 1], and their numbers."""
        table = np.array(self.counts, dtype=np.float64).reshape(-1, 2)
        return _unit(table[:, 0] / _STEPS, self.bound), table[:, 1]


def _counted(counts: tuple[tuple[int, int], ...], difference: int) -> tuple[tuple[int, int], ...]:
    numbers = dict(counts)
    numbers[difference] = numbers.get(difference, 0) + 1
    return tuple(sorted(numbers.items()))


def _rounded(score: float) -> int:
    return round(score * _STEPS)


def _unit(difference: _Number, bound: float) -> _Number:
    """From [-bound, bound], where differences lie, to [0, 1], where bets are made."""
    return (difference + bound) / (2 * bound)
