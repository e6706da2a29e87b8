"""Testing by betting: evidence against a mean, for values of any distribution.

A bettor starts with wealth 1 and bets before each value that it will be below `mean`. If the mean
of the values is `mean` or more, the bets are unfavourable for any distribution: the wealth is a
non-negative supermartingale (an e-process), and by Ville's inequality it ever reaches 1 / level
with a probability of at most `level`. So 1 / (the largest wealth so far) is a p-value for "the mean
is at least `mean`", for any number of values and however often it is checked; a mean is rejected
when the wealth against it reaches 1 / level.

Values are in [0, 1]: rescale others, and mirror both (1 - value, 1 - mean) to bet on the other
side. A stake may depend only on earlier values. Three ways to stake:

    fixed_stakes      for a known number of values: the predictable plug-in of the source
    adaptive_stakes   for continuous monitoring: approximate GRAPA of the source
    mixture           for continuous monitoring: a weighted mean of e-processes with constant stakes

For a known number of values the first has more power: at 2,000 values, nine in ten of them equal,
it rejected a mean that is 0.01 too large in 76 % of the runs, the second in 52 %. A mixture does
not depend on the order of the values, so it only stores counts, and its wealth grows with the mean.
Values run along the last axis of the arrays; other axes are independent e-processes.

Source: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS-B
86(1), 2024, arXiv:2010.09686.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import logsumexp

Doubles = NDArray[np.float64]

LARGEST_LOSS = 0.75
"""The largest fraction of the wealth that one value can cost."""

MIXTURE_SIZE = 6
"""The number of e-processes in a mixture."""

# From the best stake for a noisy difference of 0.02 to that for a quiet one of 0.2; most weight is
# on stakes that decide after a few hundred values.
_MIXTURE_STAKES = np.array([0.05, 0.1, 0.2, 0.4, 0.6, 0.9])
_MIXTURE_LOG_WEIGHTS = np.log(np.array([1, 2, 2, 3, 2, 1]) / 11)

_LARGEST_ADAPTIVE_LOSS = 0.5  # the gap is not known yet; more power than 0.75 at 200 values


def fixed_stakes(values: Doubles, level: float) -> Doubles:
    """The stake on each value, tuned for the wealth to reach 1 / `level` by the last value.

    The stakes do not depend on the tested mean, so that the wealth grows with it.

    Args:
        values: in [0, 1], shape (..., n); the n-th stake depends on the values before the n-th.
        level: the target level; the p-value is valid for any level.
    """
    _, variance = _before(values)
    stakes: Doubles = np.sqrt(2 * np.log(1 / level) / (values.shape[-1] * variance))
    return stakes


def adaptive_stakes(values: Doubles, mean: float) -> Doubles:
    """The stake on each value that nearly maximises the expected growth, given earlier values.

    Args:
        values: in [0, 1], shape (..., n); the n-th stake depends on the values before the n-th.
        mean: the mean to bet against, below 1; the stake is 0 while the values' mean is above it.
    """
    average, variance = _before(values)
    gap = np.maximum(mean - average, 0)
    stakes: Doubles = np.minimum(gap / (variance + gap**2), _LARGEST_ADAPTIVE_LOSS / (1 - mean))
    return stakes


def log_wealth(values: Doubles, mean: float, stakes: Doubles) -> Doubles:
    """Natural logarithm of the wealth after each value, of bets on less than `mean`.

    Args:
        values: in [0, 1], shape (..., n).
        mean: in [0, 1]; the bet on a value pays stake x (mean - value) per unit of wealth.
        stakes: shape (..., n), at least 0; cut where more than three quarters could be lost.
    """
    room = max(1 - mean, np.finfo(np.float64).tiny)
    stakes = np.minimum(stakes, LARGEST_LOSS / room)
    return np.cumsum(np.log1p(stakes * (mean - values)), axis=-1)


def p_value(values: Doubles, mean: float, stakes: Doubles) -> Doubles:
    """The p-value of "the mean is at least `mean`": shape (...), 1 without values."""
    largest: Doubles = log_wealth(values, mean, stakes).max(axis=-1, initial=0)
    return np.exp(-largest)


def upper_bound(values: Doubles, stakes: Doubles, level: float) -> float:
    """The bound that the mean exceeds with a probability of at most `level`.

    It is the smallest mean that `p_value` rejects at `level`. All larger means are rejected too:
    with stakes that do not depend on the mean, each factor of the wealth grows with the mean,
    whether its stake is cut or not.

    Args:
        values: in [0, 1], shape (n,).
        stakes: of `fixed_stakes`, shape (n,).
        level: in (0, 1).
    """

    def beyond(mean: float) -> float:
        return float(log_wealth(values, mean, stakes).max(initial=0) + np.log(level))

    if beyond(1.0) < 0:
        return 1.0
    return float(brentq(beyond, 0.0, 1.0))


def mixture_growth(values: Doubles, mean: float) -> Doubles:
    """Log of the factor by which each e-process of a mixture grows with each value.

    Each e-process stakes a constant fraction of its wealth against a mean of at least `mean`.

    Args:
        values: in [0, 1], shape (...).
        mean: in [0, 1).

    Returns:
        shape (..., MIXTURE_SIZE).
    """
    outcome = (mean - values) / (1 - mean)  # the worst value costs exactly the stake
    return np.log1p(outcome[..., np.newaxis] * _MIXTURE_STAKES)


def mix(log_wealths: Doubles) -> Doubles:
    """Log of a mixture's wealth, shape (...), from that of its e-processes, shape (..., m)."""
    return logsumexp(log_wealths + _MIXTURE_LOG_WEIGHTS, axis=-1)


def mixture_log_wealth(values: Doubles, counts: Doubles, mean: float) -> float:
    """Log of a mixture's wealth after values with these counts, in any order.

    Args:
        values: in [0, 1], shape (n,).
        counts: how often each value occurred, shape (n,).
        mean: in [0, 1); the mean to bet against.
    """
    return float(mix(counts @ mixture_growth(values, mean)))


def mixture_upper_bound(values: Doubles, counts: Doubles, level: float) -> float:
    """The bound that the mean exceeds at any time with a probability of at most `level`.

    Args:
        values: in [0, 1], shape (n,).
        counts: how often each value occurred, shape (n,).
        level: in (0, 1).
    """

    def beyond(mean: float) -> float:
        return mixture_log_wealth(values, counts, mean) + float(np.log(level))

    largest = 1 - 1e-9
    if beyond(largest) < 0:
        return 1.0
    return float(brentq(beyond, 0.0, largest))


def _before(values: Doubles) -> tuple[Doubles, Doubles]:
    """Mean and variance of the values before each one, with a prior value of 1/2, variance 1/4."""
    weight = np.arange(2, values.shape[-1] + 2)
    means = (0.5 + np.cumsum(values, axis=-1)) / weight
    variances = (0.25 + np.cumsum((values - means) ** 2, axis=-1)) / weight
    return _shifted(means, 0.5), _shifted(variances, 0.25)


def _shifted(after: Doubles, first: float) -> Doubles:
    start = np.full((*after.shape[:-1], 1), first)
    return np.concatenate([start, after], axis=-1)[..., :-1]
