"""Betting: wealth that is fair under the null, and grows under the alternative."""

import itertools
import math

import numpy as np
import pytest

from router.selection.betting import (
    adaptive_stakes,
    fixed_stakes,
    log_wealth,
    mixture_log_wealth,
    mixture_upper_bound,
    p_value,
    upper_bound,
)

LEVEL = 0.05
STREAMS = 2000
# Three standard errors of the share of the streams that are wrong, where LEVEL of them are.
TOLERANCE = 3 * math.sqrt(LEVEL * (1 - LEVEL) / STREAMS)


def fixed(values, mean):
    return fixed_stakes(values, LEVEL)


RULES = pytest.mark.parametrize(
    "rule", [fixed, adaptive_stakes], ids=["fixed stakes", "adaptive stakes"]
)


def drawn(values, weights, length, seed=1):
    """Streams of values that are drawn with these weights."""
    return np.random.default_rng(seed).choice(values, p=weights, size=(STREAMS, length))


def staked_by_hand(values, mean, level=None):
    """The wealth after each value, one at a time: the formulas of the source."""
    wealth, seen, average, variance, path = 1.0, [], 0.5, 0.25, []
    averages = []
    for value in values:
        if level is None:
            gap = max(mean - average, 0)
            stake = min(gap / (variance + gap * gap), 0.5 / (1 - mean))
        else:
            stake = math.sqrt(2 * math.log(1 / level) / (len(values) * variance))
            stake = min(stake, 0.75 / (1 - mean))
        wealth *= 1 + stake * (mean - value)
        path.append(wealth)
        seen.append(value)
        average = (0.5 + sum(seen)) / (len(seen) + 1)
        averages.append(average)
        squares = sum((v - a) ** 2 for v, a in zip(seen, averages, strict=True))
        variance = (0.25 + squares) / (len(seen) + 1)
    return path


def test_the_wealth_is_that_of_the_source():
    """Both ways to stake give the wealth that the formulas give one value at a time."""
    values = np.random.default_rng(2).random(40)
    found = [
        np.exp(log_wealth(values, 0.6, rule(values, 0.6))) for rule in (fixed, adaptive_stakes)
    ]
    assert found[0] == pytest.approx(staked_by_hand(values, 0.6, LEVEL))
    assert found[1] == pytest.approx(staked_by_hand(values, 0.6))


@RULES
def test_the_bets_are_fair_at_the_mean(rule):
    """Over all sequences of ten values with mean 0.3 the expected wealth is one, exactly."""
    values = np.array(list(itertools.product([0.0, 1.0], repeat=10)))
    chances = np.where(values == 1, 0.3, 0.7).prod(axis=1)
    wealth = np.exp(log_wealth(values, 0.3, rule(values, 0.3))[:, -1])
    assert (chances * wealth).sum() == pytest.approx(1)
    assert wealth.max() > 1.5


@RULES
def test_a_stake_looks_at_earlier_values_alone(rule):
    """Another last value changes no stake; another first value does."""
    values = np.random.default_rng(3).random(20) * 0.3
    last, first = values.copy(), values.copy()
    last[-1], first[0] = 1.0, 1.0
    stakes = rule(values, 0.5)
    assert np.array_equal(rule(last, 0.5), stakes)
    assert not np.array_equal(rule(first, 0.5), stakes)


@RULES
def test_e_processes_side_by_side_do_not_mix(rule):
    """Rows of values have the wealth that each has alone."""
    values = drawn([0.0, 0.5, 1.0], [0.4, 0.4, 0.2], 30)[:5]
    together = log_wealth(values, 0.6, rule(values, 0.6))
    alone = [log_wealth(row, 0.6, rule(row, 0.6)) for row in values]
    assert together == pytest.approx(np.array(alone))


@RULES
def test_nobody_is_ruined(rule):
    """Ones after many zeros cost at most three quarters of the wealth each."""
    values = np.repeat([0.0, 1.0], [50, 10])
    losses = np.diff(log_wealth(values, 0.9, rule(values, 0.9)))[49:]
    assert losses.min() >= np.log(0.25) - 1e-9


@pytest.mark.parametrize(
    ("values", "weights", "mean"),
    [
        ([0.0, 0.5, 1.0], [0.2, 0.6, 0.2], 0.5),
        ([0.0, 0.5, 1.0], [0.04, 0.9, 0.06], 0.51),
        ([0.5, 1.0], [0.95, 0.05], 0.525),
        ([0.0, 1.0], [0.9, 0.1], 0.1),
    ],
    ids=["many differ", "few differ", "rare large values", "errors"],
)
@RULES
def test_a_true_mean_is_rarely_refuted_however_often_one_looks(rule, values, weights, mean):
    """At most one stream in twenty ever has a p-value of 0.05; a z-test's does in many more."""
    streams = drawn(values, weights, 400)
    refuted = p_value(streams, mean, rule(streams, mean)) <= LEVEL
    assert refuted.mean() <= LEVEL + TOLERANCE

    count = np.arange(1, 401)
    average = streams.cumsum(axis=1) / count
    deviation = np.sqrt(np.maximum((streams**2).cumsum(axis=1) / count - average**2, 1e-12))
    z = (average - mean) / deviation * np.sqrt(count)
    assert (z[:, 50:] <= -1.645).any(axis=1).mean() > 3 * LEVEL


def test_a_wrong_mean_is_refuted():
    """A mean that is 0.05 too large is refuted by 500 values nearly always."""
    streams = drawn([0.0, 0.5, 1.0], [0.1, 0.8, 0.1], 500)
    for rule in (fixed, adaptive_stakes):
        assert (p_value(streams, 0.55, rule(streams, 0.55)) <= LEVEL).mean() > 0.95


def test_fixed_stakes_find_more_in_a_known_number_of_values():
    """At 2,000 values a mean that is 0.01 too large is refuted in half as many more streams."""
    streams = drawn([0.0, 0.5, 1.0], [0.05, 0.9, 0.05], 2000)
    found = [
        (p_value(streams, 0.51, rule(streams, 0.51)) <= LEVEL).mean()
        for rule in (fixed, adaptive_stakes)
    ]
    assert found[0] == pytest.approx(0.76, abs=0.03)
    assert found[1] == pytest.approx(0.52, abs=0.03)


def test_mirrored_values_bet_on_the_other_side():
    """That a mean is larger than 0.5 shows in one minus the values."""
    values = np.full(100, 0.8)
    mirrored = 1 - values
    assert p_value(values, 0.5, adaptive_stakes(values, 0.5)) == 1
    assert p_value(mirrored, 0.5, adaptive_stakes(mirrored, 0.5)) < 1e-6


def test_without_values_nothing_is_refuted():
    """The p-value of no values is one and their bound is the largest mean there is."""
    nothing = np.array([])
    assert p_value(nothing, 0.5, fixed_stakes(nothing, LEVEL)) == 1
    assert upper_bound(nothing, fixed_stakes(nothing, LEVEL), LEVEL) == 1


def test_the_bound_is_where_the_means_begin_to_be_refuted():
    """Means above the bound have p-values below the level, means below it above."""
    values = drawn([0.0, 0.5, 1.0], [0.1, 0.85, 0.05], 300)[0]
    stakes = fixed_stakes(values, LEVEL)
    bound = upper_bound(values, stakes, LEVEL)
    assert values.mean() < bound < 0.6
    means = np.linspace(0.01, 1, 100)
    refuted = np.array([p_value(values, mean, stakes) <= LEVEL for mean in means])
    assert np.array_equal(refuted, means > bound)


def test_values_that_are_all_large_bound_nothing():
    """Ones alone leave the bound at one."""
    values = np.ones(100)
    assert upper_bound(values, fixed_stakes(values, LEVEL), LEVEL) == 1


def test_a_mixture_has_the_weighted_mean_of_its_wealths():
    """Its wealth is what its e-processes, each with its share of the start, win one by one."""
    values = [0.0, 0.5, 0.5, 1.0, 0.25]
    weights = {0.05: 1, 0.1: 2, 0.2: 2, 0.4: 3, 0.6: 2, 0.9: 1}
    pooled = 0.0
    for stake, weight in weights.items():
        wealth = weight / 11
        for value in values:
            wealth *= 1 + stake * (0.6 - value) / (1 - 0.6)
        pooled += wealth

    seen, counts = np.array([0.0, 0.25, 0.5, 1.0]), np.array([1.0, 1.0, 2.0, 1.0])

    assert math.exp(mixture_log_wealth(seen, counts, 0.6)) == pytest.approx(pooled)


def test_a_mixtures_bets_are_fair_at_the_mean():
    """Over all sequences of ten values with mean 0.3 the expected wealth is one, exactly."""
    values = np.array([0.0, 1.0])
    wealth = 0.0
    for ones in range(11):
        chance = math.comb(10, ones) * 0.3**ones * 0.7 ** (10 - ones)
        counts = np.array([10.0 - ones, ones])
        wealth += chance * math.exp(mixture_log_wealth(values, counts, 0.3))
    assert wealth == pytest.approx(1)


def test_a_mixtures_bound_is_where_the_means_begin_to_be_refuted():
    """Means above the bound bring wealth of 1 / level, means below it do not."""
    values, counts = np.array([0.0, 0.5, 1.0]), np.array([30.0, 255.0, 15.0])
    bound = mixture_upper_bound(values, counts, LEVEL)
    assert 0.475 < bound < 0.6
    means = np.linspace(0.0, 0.99, 100)
    won = np.array([mixture_log_wealth(values, counts, mean) for mean in means])
    assert np.array_equal(won >= -math.log(LEVEL), means > bound)


def test_a_mixture_bounds_nothing_by_ones_or_by_no_values():
    """Ones alone leave the bound at one, and so does nothing at all."""
    assert mixture_upper_bound(np.array([1.0]), np.array([100.0]), LEVEL) == 1
    assert mixture_upper_bound(np.array([]), np.array([]), LEVEL) == 1
