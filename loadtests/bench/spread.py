"""Figures of several rounds: the median with the smallest and the largest value."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """The median of a figure over the rounds, and its range."""

    median: float
    low: float
    high: float
    rounds: int


def spread(values: Iterable[float | None]) -> Spread | None:
    """The spread of the values that are known; None without any."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Spread(median(known), min(known), max(known), len(known))


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that this share of the values does not exceed; None without values."""
    if not values:
        return None
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def paired(
    ours: Mapping[int, float | None], theirs: Mapping[int, float | None]
) -> Iterable[tuple[float, float]]:
    """Both values of each round in which both are known."""
    for number, value in ours.items():
        other = theirs.get(number)
        if value is not None and other is not None:
            yield value, other


def differences(
    ours: Mapping[int, float | None], theirs: Mapping[int, float | None]
) -> Spread | None:
    """The spread of the differences within the rounds."""
    return spread(value - other for value, other in paired(ours, theirs))


def ratios(ours: Mapping[int, float | None], theirs: Mapping[int, float | None]) -> Spread | None:
    """The spread of the ratios within the rounds."""
    return spread(value / other for value, other in paired(ours, theirs) if other)
