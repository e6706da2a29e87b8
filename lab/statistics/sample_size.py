"""The number of prompts that a comparison needs to be conclusive."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

_ONE_SIDED = 0.025
"""The interval's lower end decides: 2.5 % lie below it."""
_POWER = 0.8


def needed_rows(differences: NDArray[np.float64], groups: NDArray[np.int64], margin: float) -> int:
    """The prompts needed to show with probability 0.8 that two equal arms are equal within the
    margin.

    Args:
        differences: of the quality per prompt, (rows,); they give the variance, with one win and
            one loss added (see `lab.statistics.paired`).
        groups: the group of each row, (rows,). Correlated groups need more prompts.
        margin: the largest difference that counts as equal, in (0, 1].
    """
    with_two = np.append(differences, [-1.0, 1.0])
    variance = float(with_two.var()) * _design_effect(differences, groups)
    units = float(norm.ppf(1 - _ONE_SIDED) + norm.ppf(_POWER))
    return math.ceil(units**2 * variance / margin**2)


def _design_effect(differences: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    """The design effect: variance of the mean with groups divided by that without; 1 if nothing
    varies."""
    centred = differences - differences.mean()
    apart = float((centred**2).sum())
    numbers = np.unique(groups, return_inverse=True)[1]
    together = float((np.bincount(numbers, weights=centred) ** 2).sum())
    # A design effect below 1 is chance, and must not lower the number of prompts.
    return max(1.0, together / apart) if apart else 1.0
