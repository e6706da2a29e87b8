"""How many prompts a comparison needs before it can tell."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

_ONE_SIDED = 0.025
"""The interval's lower end decides: 2.5 % lie below it."""
_POWER = 0.8


def needed_rows(differences: NDArray[np.float64], groups: NDArray[np.int64], margin: float) -> int:
    """Prompts after which two arms that are alike would be shown to be so, with probability 0.8.

    Args:
        differences: of the quality, prompt by prompt, (rows,); how much they vary is taken from
            them, with one win and one loss added (see `lab.statistics.paired`).
        groups: the group of each row, (rows,). Groups that vary together need more prompts.
        margin: what the difference must be shown to stay within, in (0, 1].
    """
    with_two = np.append(differences, [-1.0, 1.0])
    variance = float(with_two.var()) * _design_effect(differences, groups)
    units = float(norm.ppf(1 - _ONE_SIDED) + norm.ppf(_POWER))
    return math.ceil(units**2 * variance / margin**2)


def _design_effect(differences: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    """Variance of the mean with its groups, by that without; 1 where nothing varies."""
    centred = differences - differences.mean()
    apart = float((centred**2).sum())
    numbers = np.unique(groups, return_inverse=True)[1]
    together = float((np.bincount(numbers, weights=centred) ** 2).sum())
    # Groups that happen to vary less than single rows are no reason for fewer of them.
    return max(1.0, together / apart) if apart else 1.0
