"""What policies expect: of other folds' outcomes, unless they are oracles."""

import numpy as np
import pytest

from lab.replay.policies import (
    Expectation,
    by_router,
    by_vectors,
    domain_means,
    domain_oracle,
    instance_oracle,
    sweep,
)
from tests.lab.replay.recorded import by_lot, recorded
from tests.router.fakes import HashingEncoder


def hard(outcomes):
    return np.array([prompt.startswith("hard") for prompt in outcomes.prompts])


def test_domain_means_tell_the_domains_apart():
    """The cheap model is expected to fail where it fails, drawn towards the mean of all."""
    outcomes = recorded(400)
    cheap = domain_means(outcomes).scores[:, 0]
    assert cheap[hard(outcomes)].max() < 0.15
    assert cheap[~hard(outcomes)].min() > 0.85
    assert domain_means(outcomes).costs == pytest.approx(outcomes.costs)


@pytest.mark.parametrize(
    "policy", [domain_means, lambda of: by_vectors(of, np.eye(len(of.prompts)))]
)
def test_a_row_does_not_see_its_own_outcome(policy):
    """Turning one prompt's outcome around does not change what is expected of it."""
    outcomes = by_lot(60, 2)
    before = policy(outcomes).scores[7].copy()
    outcomes.scores[7] = 1 - outcomes.scores[7]
    assert policy(outcomes).scores[7] == pytest.approx(before)


def test_the_domain_oracle_knows_the_means_of_each_domain():
    """Exactly, its own rows included."""
    outcomes = recorded(40)
    found = domain_oracle(outcomes)
    assert found.oracle
    assert found.scores[:, 0] == pytest.approx((~hard(outcomes)).astype(float))


def test_the_instance_oracle_knows_the_outcome():
    """Scores and costs of every row."""
    outcomes = by_lot(20, 3)
    found = instance_oracle(outcomes)
    assert (found.scores == outcomes.scores).all()
    assert (found.costs == outcomes.costs).all()


def test_a_routers_probabilities_weigh_what_its_domains_are_worth():
    """A prompt between two domains is expected to be between them."""
    outcomes = recorded(400)
    sure = np.stack([hard(outcomes), ~hard(outcomes)], axis=1).astype(float)
    doubt = np.full_like(sure, 0.5)
    doubt[1:] = sure[1:]
    cheap = by_router(outcomes, doubt).scores[:, 0]
    assert cheap[0] == pytest.approx(0.5, abs=0.05)
    assert cheap[1] < 0.15
    assert cheap[2] > 0.85


@pytest.mark.parametrize("grouped", [True, False])
def test_vectors_tell_what_the_words_tell(grouped):
    """With groups by two steps and ridge, without by ridge alone."""
    outcomes = recorded(200, grouped=grouped)
    vectors = HashingEncoder().encode(outcomes.prompts).vectors
    cheap = by_vectors(outcomes, vectors).scores[:, 0]
    assert cheap[hard(outcomes)].max() < cheap[~hard(outcomes)].min()


def test_without_groups_there_are_no_domains():
    """Asking for their means is a mistake of the caller."""
    with pytest.raises(ValueError, match="have no groups"):
        domain_means(recorded(grouped=False))


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


def test_a_policy_that_expects_nothing_of_more_expensive_models_has_two_points():
    """Both are the cheapest."""
    outcomes = recorded(10)
    flat = Expectation("flat", np.ones((10, 2)), outcomes.costs)
    assert [point.shares for point in sweep(flat, outcomes).points(outcomes)] == [(1, 0), (1, 0)]
