"""What policies expect: of other folds' outcomes, unless they are oracles."""

import numpy as np
import pytest

from lab.replay.policies import (
    by_router,
    by_vectors,
    domain_means,
    domain_oracle,
    instance_oracle,
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
