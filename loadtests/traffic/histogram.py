"""A compact histogram of seconds that can be merged across processes.

Bins grow by 2 %, so quantiles have a relative error of at most 1 %; values up to 10 microseconds
share one bin.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

_FIRST = 1e-5
_GROWTH = math.log(1.02)


class Histogram:
    """Counts of values, in seconds."""

    def __init__(self) -> None:
        self._bins: Counter[int] = Counter()
        self._sum = 0.0

    @property
    def count(self) -> int:
        """The number of values."""
        return self._bins.total()

    @property
    def mean(self) -> float | None:
        """The exact mean; None without values."""
        return self._sum / self.count if self._bins else None

    def add(self, seconds: float) -> None:
        """Counts a value."""
        size = max(seconds, _FIRST) / _FIRST
        self._bins[round(math.log(size) / _GROWTH)] += 1
        self._sum += seconds

    def extend(self, values: Iterable[float]) -> None:
        """Counts values."""
        for value in values:
            self.add(value)

    def quantile(self, share: float) -> float | None:
        """The quantile: the value that this share of the values does not exceed; None without
        values."""
        wanted, seen = math.ceil(share * self.count), 0
        for place in sorted(self._bins):
            seen += self._bins[place]
            if seen >= max(wanted, 1):
                return _FIRST * math.exp(place * _GROWTH)
        return None

    def merge(self, fields: Mapping[str, object]) -> None:
        """Merges the `fields` of another process's histogram."""
        bins, total = fields["bins"], fields["sum"]
        if not isinstance(bins, dict) or not isinstance(total, float):
            raise TypeError(f"not the fields of a histogram: {fields}")
        self._bins.update({int(place): count for place, count in bins.items()})
        self._sum += total

    def fields(self) -> dict[str, object]:
        """The contents as values that any serialiser supports."""
        return {
            "bins": {str(place): count for place, count in self._bins.items()},
            "sum": self._sum,
        }
