"""Testing by betting: evidence against a mean, without a word about the distribution of the values.

One starts with wealth 1 and bets before each value that it will lie below `mean`. If the mean of
the values is `mean` or more, the bets are unfavourable whatever the distribution: the wealth is a
non-negative supermartingale (an e-process), and by Ville's inequality it ever reaches 1 / level
with a probability of at most `level`. So 1 / (the largest wealth so far) is a p-value for "the mean
is at least `mean`", for any number of values and however often one looks; and the means against
which the wealth grows that large are refuted.

Values lie in [0, 1]: rescale others, and mirror both (1 - value, 1 - mean) to bet on the other
side. A stake may depend on the values before its own alone. Three ways to stake:

    fixed_stakes      the number of values is known: the predictable plug-in of the source
    adaptive_stakes   it is not, one looks after every value: approximate GRAPA of the source
    mixture           the same: a weighted mean of the e-processes of constant stakes

At the end of a known number of values the first finds more: at 2,000 of them, nine in ten of them
equal, it refuted a mean that is 0.01 too large in 76 % of the runs, the second in 52 %. A mixture
needs no order of the values, so that counts are all it has to remember, and its wealth grows with
the mean. The arrays run along their last axis; the axes before it are e-processes side by side.

Source: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS-B
86(1), 2024, arXiv:2010.09686.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import logsumexp

Doubles = NDArray[np.float64]

LARGEST_LOSS = 0.75
"""Part of the wealth that one value can cost."""

MIXTURE_SIZE = 6
"""E-processes of a mixture."""

# From what two points of a noisy difference want to what a fifth of a quiet one does; most of the
# weight lies where a decision takes some hundred values.
_MIXTURE_STAKES = np.array([0.05, 0.1, 0.2, 0.4, 0.6, 0.9])
_MIXTURE_LOG_WEIGHTS = np.log(np.array([1, 2, 2, 3, 2, 1]) / 11)

_LARGEST_ADAPTIVE_LOSS = 0.5  # while learning the gap as well; found more than 0.75 at 200 values


def fixed_stakes(values: Doubles, level: float) -> Doubles:
    """The stake on each value, such that the wealth is 1 / `level` as soon as that can be at the
    last of them.

    They do not depend on the mean that is tested, so that the wealth grows with it.

    Args:
        values: in [0, 1], shape (..., n); the n-th stake looks at the values before the n-th.
        level: the level aimed at; the p-value is valid whatever it is.
    """
    _, variance = _before(values)
    stakes: Doubles = np.sqrt(2 * np.log(1 / level) / (values.shape[-1] * variance))
    return stakes


def adaptive_stakes(values: Doubles, mean: float) -> Doubles:
    """The stake on each value that nearly maximises the growth of the wealth, by what is known.

    Args:
        values: in [0, 1], shape (..., n); the n-th stake looks at the values before the n-th.
        mean: the mean bet against, below 1; nothing is staked while the values lie above it.
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
    """How little the values agree with a mean of at least `mean`: shape (...), 1 without values."""
    largest: Doubles = log_wealth(values, mean, stakes).max(axis=-1, initial=0)
    return np.exp(-largest)


def upper_bound(values: Doubles, stakes: Doubles, level: float) -> float:
    """The bound that the mean exceeds with a probability of at most `level`.

    It is the smallest mean that `p_value` refutes at `level`; all larger ones are refuted with it,
    since with stakes that do not depend on the mean the wealth grows with the mean: each factor
    does, be its stake cut or not.

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

    Each stakes a constant part of its wealth against a mean of at least `mean`.

    Args:
        values: in [0, 1], shape (...).
        mean: in [0, 1).

    Returns:
        shape (..., MIXTURE_SIZE).
    """
    outcome = (mean - values) / (1 - mean)  # the worst value costs the stake, and no more
    return np.log1p(outcome[..., np.newaxis] * _MIXTURE_STAKES)


def mix(log_wealths: Doubles) -> Doubles:
    """Log of a mixture's wealth, shape (...), from that of its e-processes, shape (..., m)."""
    return logsumexp(log_wealths + _MIXTURE_LOG_WEIGHTS, axis=-1)


def mixture_log_wealth(values: Doubles, counts: Doubles, mean: float) -> float:
    """Log of a mixture's wealth after each of the values came so often, in whatever order.

    Args:
        values: in [0, 1], shape (n,).
        counts: how often each was seen, shape (n,).
        mean: in [0, 1); the mean bet against.
    """
    return float(mix(counts @ mixture_growth(values, mean)))


def mixture_upper_bound(values: Doubles, counts: Doubles, level: float) -> float:
    """The bound that the mean exceeds with a probability of at most `level`, at all times together.

    Args:
        values: in [0, 1], shape (n,).
        counts: how often each was seen, shape (n,).
        level: in (0, 1).
    """

    def beyond(mean: float) -> float:
        return mixture_log_wealth(values, counts, mean) + float(np.log(level))

    largest = 1 - 1e-9
    if beyond(largest) < 0:
        return 1.0
    return float(brentq(beyond, 0.0, largest))


def _before(values: Doubles) -> tuple[Doubles, Doubles]:
    """Mean and variance before each value, as if a value of 1/2, variance 1/4, had been first."""
    weight = np.arange(2, values.shape[-1] + 2)
    means = (0.5 + np.cumsum(values, axis=-1)) / weight
    variances = (0.25 + np.cumsum((values - means) ** 2, axis=-1)) / weight
    return _shifted(means, 0.5), _shifted(variances, 0.25)


def _shifted(after: Doubles, first: float) -> Doubles:
    start = np.full((*after.shape[:-1], 1), first)
    return np.concatenate([start, after], axis=-1)[..., :-1]
