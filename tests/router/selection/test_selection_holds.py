"""Selection does what it promises: in simulations with known differences, looked at after every
pair.

A stream is a specialist's life: differences of -1, 0 and 1 with a known mean, of which a share
is not 0. Margin 2 points, alpha 5 %.
"""

import math

import numpy as np
import pytest

from router.selection.betting import MIXTURE_SIZE, mix, mixture_growth
from router.selection.evidence import Evidence, Pair

MARGIN, ALPHA = 0.02, 0.05
DIFFERENCES = np.array([-1.0, 0.0, 1.0])
NEVER = 10**9
UNITS = np.where(np.eye(MIXTURE_SIZE) == 1, 0.0, -np.inf)
WEIGHTS = np.exp([mix(unit) for unit in UNITS]).astype(np.float32)
SHARES = pytest.mark.parametrize("discordant", [0.2, 0.4])


def streams(mean, discordant, runs, length, seed):
    """Differences, shape (runs, length)."""
    lots = np.random.default_rng(seed).random((runs, length))
    won, lost = (discordant + mean) / 2, (discordant - mean) / 2
    return (lots < won).astype(np.int8) - (lots > 1 - lost).astype(np.int8)


def log_e_values(found, mean):
    """Evidence for less than `mean`, after each pair: as `Evidence.e_values`, for all streams."""
    growth = mixture_growth((DIFFERENCES + 1) / 2, (mean + 1) / 2).astype(np.float32)
    won = (found == 1).cumsum(axis=1, dtype=np.float32)
    lost = (found == -1).cumsum(axis=1, dtype=np.float32)
    tied = np.arange(1, found.shape[1] + 1, dtype=np.float32) - won - lost
    wealth = np.zeros_like(won)
    for (at_loss, at_tie, at_win), weight in zip(growth.T, WEIGHTS, strict=True):
        wealth += weight * np.exp(np.minimum(at_loss * lost + at_tie * tied + at_win * won, 80))
    return np.log(wealth)


def first(reached):
    """Pairs until a stream reaches something, or `NEVER`."""
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, NEVER)


def peeked_z(found):
    """Whether a one-sided z-test at alpha, looked at every 25 pairs, ever calls a stream worse."""
    count = np.arange(1, found.shape[1] + 1)
    average = found.cumsum(axis=1) / count
    variance = (found**2).cumsum(axis=1) / count - average**2
    z = (average + MARGIN) / np.sqrt(np.maximum(variance, 1e-12) / count)
    return (z[:, 24::25] < -1.645).any(axis=1)


def test_streams_are_judged_as_pairs_are():
    """The simulation's e-values are those of `Evidence`, after each pair."""
    [stream] = streams(-0.1, 0.4, 1, 60, seed=1)
    evidence, found = Evidence(), []
    for difference in stream:
        scores = max(0.0, float(difference)), max(0.0, -float(difference))
        evidence = evidence.after(Pair(*scores), MARGIN)
        found.append(evidence.e_values(MARGIN).worse)
    assert log_e_values(stream[np.newaxis], -MARGIN)[0] == pytest.approx(np.array(found), abs=1e-4)


@SHARES
def test_at_the_margin_few_are_demoted_and_a_peeked_z_test_demotes_a_third(discordant):
    """The wrong-demotion rate stays below alpha; that of a z-test does not come near it."""
    found = streams(-MARGIN, discordant, 1000, 4000, seed=2)

    demoted = (log_e_values(found, -MARGIN) >= math.log(1 / ALPHA)).any(axis=1).mean()

    assert 0.01 < demoted <= ALPHA
    assert 0.28 < peeked_z(found).mean() < 0.38


@SHARES
@pytest.mark.parametrize(("worse_by", "at_most"), [(0.1, 500), (0.2, 80)])
def test_a_bad_specialist_is_demoted_soon(discordant, worse_by, at_most):
    """Ten points worse takes a median of 500 pairs at most, twenty points 80."""
    found = streams(-worse_by, discordant, 500, 4 * at_most, seed=3)

    pairs = first(log_e_values(found, -MARGIN) >= math.log(1 / ALPHA))

    assert np.median(pairs) <= at_most


@SHARES
def test_at_the_margin_few_are_promoted(discordant):
    """One that is worse by the margin is rarely found to be no worse."""
    mirrored = -streams(-MARGIN, discordant, 500, 4000, seed=4)

    promoted = (log_e_values(mirrored, MARGIN) >= math.log(1 / ALPHA)).any(axis=1).mean()

    assert 0.01 < promoted <= ALPHA


@pytest.mark.parametrize("mean", [-0.1, 0.0, 0.05])
@SHARES
def test_the_interval_covers_the_difference_at_all_times(discordant, mean):
    """At most one stream in twenty ever has an interval that misses its true difference."""
    found = streams(mean, discordant, 500, 2000, seed=5)

    # The interval misses a mean where one of the two mixtures that bet on it reaches 2 / alpha.
    above = log_e_values(found, mean).max(axis=1)
    below = log_e_values(-found, -mean).max(axis=1)
    missed = (np.maximum(above, below) >= math.log(2 / ALPHA)).mean()

    assert 0.005 < missed <= ALPHA


def test_at_the_margin_of_net_worth_few_are_demoted_or_promoted():
    """Whatever money does: here long answers save much, and are wrong more often."""
    chance = np.random.default_rng(9)
    savings = np.minimum(chance.lognormal(-3.5, 1.2, (400, 2000)), 0.98)
    lost = chance.random(savings.shape) < savings + 0.02  # a mean loss of savings and two points
    net = (np.round(1000 * (savings - lost)) / 1000).astype(np.float64)

    units = (net + 2) / 4
    found = []
    for values, mean in ((units, (2 - MARGIN) / 4), (1 - units, (2 + MARGIN) / 4)):
        wealths = np.zeros((len(values), MIXTURE_SIZE))
        largest = np.zeros(len(values))
        for column in values.T:
            wealths += mixture_growth(column, mean)
            largest = np.maximum(largest, mix(wealths))
        found.append((largest >= math.log(1 / ALPHA)).mean())

    assert max(found) <= ALPHA
    assert min(found) > 0


def late_alarm(found, pairs):
    """Pairs until the restarted e-processes of `Evidence` reach `pairs`."""
    growth = mixture_growth((DIFFERENCES + 1) / 2, (1 - MARGIN) / 2)
    wealths = np.zeros((*found.shape, growth.shape[1]))
    last = wealths[:, 0]
    for number, differences in enumerate(found.T):
        last = np.maximum(last, 0) + growth[differences + 1]
        wealths[:, number] = last
    return first(mix(wealths) >= math.log(pairs))


@SHARES
def test_turning_bad_late_is_noticed_and_false_alarms_are_rare(discordant):
    """Ten points worse after a thousand good pairs is noticed long before the plain test does;
    at the margin one alarm in thousands of pairs is all that there may be."""
    good = streams(0.05, discordant, 200, 1000, seed=6)
    bad = streams(-0.1, discordant, 200, 2500, seed=7)
    life = np.concatenate([good, bad], axis=1)

    alarm = np.median(late_alarm(life, 20_000)) - 1000
    plain = np.median(first(log_e_values(life, -MARGIN) >= math.log(1 / ALPHA))) - 1000

    assert 0 < alarm < 0.7 * plain
    # 200 streams of 1,000 pairs at the margin: at most ten alarms that are false, on average
    at_margin = streams(-MARGIN, discordant, 200, 1000, seed=8)
    assert (late_alarm(at_margin, 20_000) < NEVER).sum() <= 10
