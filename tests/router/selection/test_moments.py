"""Moments: mean and spread one by one, and an interval that holds at all times together."""

import math
import statistics

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from router.selection.moments import LEAST_COUNT, Moments

LEVEL = 0.05


def seen(numbers):
    moments = Moments()
    for number in numbers:
        moments = moments.after(float(number))
    return moments


def test_moments_are_those_of_all_numbers_at_once():
    """Count, mean and variance agree with the standard library's, also far from zero."""
    numbers = list(1e6 + np.random.default_rng(1).normal(size=50))
    moments = seen(numbers)
    assert moments.count == 50
    assert moments.mean == pytest.approx(statistics.fmean(numbers))
    assert moments.squares / 49 == pytest.approx(statistics.variance(numbers))


def test_few_numbers_have_no_interval():
    """The central limit theorem needs some numbers; with one fewer there is no interval."""
    assert seen(range(LEAST_COUNT - 1)).interval(LEVEL) is None
    assert seen(range(LEAST_COUNT)).interval(LEVEL) is not None


def test_the_interval_ends_where_the_mixture_reaches_the_level():
    """At its end the Gaussian mixture martingale of the source, integrated, is 1 / level."""
    moments = seen(np.random.default_rng(2).normal(0.3, 2.0, size=120))
    found = moments.interval(LEVEL)
    deviation = math.sqrt(moments.squares / (moments.count - 1))
    total = moments.count * (found.high - moments.mean) / deviation
    spread = math.sqrt((math.log(1 / LEVEL**2) + math.log(math.log(1 / LEVEL**2) + 1)) / 300)

    def mixture(bet):
        return math.exp(bet * total - bet**2 * moments.count / 2) * norm.pdf(bet, scale=spread)

    wealth, _ = quad(mixture, -2, 2, limit=200)

    assert wealth == pytest.approx(1 / LEVEL, rel=1e-6)


def test_the_interval_covers_the_mean_at_all_times():
    """Of skewed streams, looked at after every number, at most one in twenty ever misses."""
    streams = np.random.default_rng(3).gamma(2.0, 1.5, size=(1000, 1500))
    count = np.arange(1, streams.shape[1] + 1)
    average = streams.cumsum(axis=1) / count
    squares = np.maximum((streams**2).cumsum(axis=1) - count * average**2, 0)
    # `interval` at every count, from the formula that the test above checks
    tuning = (math.log(1 / LEVEL**2) + math.log(math.log(1 / LEVEL**2) + 1)) / 300
    spread = count * tuning + 1
    width = 2 * spread / (count**2 * tuning) * np.log(np.sqrt(spread) / LEVEL)
    radius = np.sqrt(squares / np.maximum(count - 1, 1) * width)
    late = slice(LEAST_COUNT - 1, None)

    missed = (np.abs(average - 3.0) > radius)[:, late].any(axis=1).mean()

    one = seen(streams[0]).interval(LEVEL)
    assert one.high - one.mean == pytest.approx(radius[0, -1])
    assert missed <= LEVEL
