"""Policies at every price, and their shuffles."""

import numpy as np
import pytest

from lab.replay.policies import Expectation, domain_means, domain_oracle, instance_oracle
from lab.replay.sweep import sweep
from tests.lab.replay.recorded import by_lot, recorded


def test_the_highest_price_buys_the_cheapest_model_and_none_the_best():
    """The first point is always the cheapest model; the last takes the best at any cost."""
    outcomes = by_lot(100, 3)
    first, *_, last = sweep(instance_oracle(outcomes), outcomes).points(outcomes)
    assert first.shares == (1.0, 0.0, 0.0)
    assert first.quality == pytest.approx(outcomes.scores[:, 0].mean())
    assert last.price == 0
    assert last.quality == pytest.approx(outcomes.scores.max(axis=1).mean())


def test_of_equal_models_the_cheapest_answers():
    """Where both are right, the dear one is not asked, not even for nothing."""
    outcomes = recorded(40)
    last = sweep(domain_oracle(outcomes), outcomes).points(outcomes)[-1]
    assert last.shares == (0.5, 0.5)
    assert (last.quality, last.cost) == pytest.approx((1.0, 5.5))


def test_the_shuffle_has_the_same_shares_and_reads_nothing():
    """Half of the prompts to each model: 0.75 by chance, where reading gets 1."""
    outcomes = recorded(40)
    last = sweep(domain_oracle(outcomes), outcomes).points(outcomes)[-1]
    assert last.shuffle_quality == pytest.approx(0.75)
    assert last.shuffle_cost == pytest.approx(5.5)


def test_the_shuffle_is_what_dealing_out_by_lot_gives():
    """The mean of many real shuffles of the choices."""
    outcomes = by_lot(200, 3)
    swept = sweep(domain_means(outcomes), outcomes)
    point = swept.points(outcomes)[len(swept.prices) // 2]
    rng = np.random.default_rng(0)
    chosen = np.repeat([0, 1, 2], np.round(np.array(point.shares) * 200).astype(int))
    drawn = [outcomes.scores[np.arange(200), rng.permutation(chosen)].mean() for _ in range(2000)]
    assert point.shuffle_quality == pytest.approx(np.mean(drawn), abs=0.005)


def test_a_choice_maximises_what_is_expected_at_the_price():
    """Compared with every model in turn, at every price."""
    outcomes = by_lot(50, 4)
    rng = np.random.default_rng(1)
    expectation = Expectation("any", rng.random((50, 4)), outcomes.costs)
    swept = sweep(expectation, outcomes)
    for place, price in enumerate(swept.prices[1:], start=1):
        worth = expectation.scores - price * expectation.costs
        best = worth.argmax(axis=1)
        assert (swept.scores[:, place] == outcomes.scores[np.arange(50), best]).all()


def test_quality_is_bought_step_by_step():
    """As the price falls, what is expected of the choices rises, and so does their cost."""
    outcomes = by_lot(300, 4)
    points = sweep(instance_oracle(outcomes), outcomes).points(outcomes)[1:]
    assert (np.diff([point.quality for point in points]) >= -1e-12).all()
    assert (np.diff([point.cost for point in points]) >= -1e-12).all()


def test_a_policy_that_expects_nothing_of_dearer_models_has_two_points():
    """Both are the cheapest."""
    outcomes = recorded(10)
    flat = Expectation("flat", np.ones((10, 2)), outcomes.costs)
    assert [point.shares for point in sweep(flat, outcomes).points(outcomes)] == [(1, 0), (1, 0)]
