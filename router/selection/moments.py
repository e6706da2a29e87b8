"""Running mean and variance of unbounded numbers, with an asymptotic confidence sequence.

Betting needs bounds, which seconds and money do not have. By the central limit theorem, which needs
only a finite variance, the interval covers the mean at all times simultaneously with about the
requested probability; there is no interval below `LEAST_COUNT` numbers.

Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central limit theory and
asymptotic confidence sequences, Annals of Statistics 52(6), 2024, arXiv:2103.06476.
"""

import math
from dataclasses import dataclass

LEAST_COUNT = 20
"""The least count that an interval needs."""

_SHARPEST_AT = 300
"""The count at which the interval is tuned to be narrowest."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its confidence bounds."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and sum of squared deviations of the numbers so far."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def after(self, number: float) -> "Moments":
        """The moments with one more number."""
        count = self.count + 1
        mean = self.mean + (number - self.mean) / count
        return Moments(count, mean, self.squares + (number - self.mean) * (number - mean))

    def interval(self, level: float) -> Interval | None:
        """The interval, which ever misses the mean with a probability of about `level`.

        None if there are too few numbers.

        Args:
            level: in (0, 1).
        """
        if self.count < LEAST_COUNT:
            return None
        tuning = (math.log(1 / level**2) + math.log(math.log(1 / level**2) + 1)) / _SHARPEST_AT
        spread = self.count * tuning + 1
        width = 2 * spread / (self.count**2 * tuning) * math.log(math.sqrt(spread) / level)
        radius = math.sqrt(self.squares / (self.count - 1) * width)
        return Interval(self.mean, self.mean - radius, self.mean + radius)
