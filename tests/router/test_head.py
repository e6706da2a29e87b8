"""The head: linear layer, roll-up, energy, and what it refuses to be."""

from dataclasses import replace

import numpy as np
import pytest

from router.head import Head

HEAD = Head(
    classes=("general", "sql"),
    weights=np.array([[1, 0], [0, 1], [0, 2]], np.float32),
    bias=np.zeros(3, np.float32),
    domains=np.array([0, 1, 1]),
)
LOGITS = HEAD.logits(np.array([[1, 0], [0, 1]], np.float32))


def test_probability_of_a_domain_is_the_sum_over_its_sub_clusters():
    """Probabilities roll up by domain and sum to one."""
    e = np.exp(1)
    found = HEAD.probabilities(LOGITS)
    assert found[0] == pytest.approx([e / (e + 2), 2 / (e + 2)])
    assert found.sum(axis=1) == pytest.approx([1, 1])


def test_energy_is_that_of_the_niches_alone():
    """The sub-clusters of `general` bring nothing into distribution."""
    e = np.exp(1)
    assert HEAD.negative_energy(LOGITS) == pytest.approx([np.log(2), np.log(e + e**2)])


def test_temperature_softens_without_changing_the_negative_energy():
    """A temperature above one lowers the confidence and leaves the energy alone."""
    soft = replace(HEAD, temperature=4.0)
    assert soft.probabilities(LOGITS).max() < HEAD.probabilities(LOGITS).max()
    assert soft.negative_energy(LOGITS) == pytest.approx(HEAD.negative_energy(LOGITS))


def test_without_general_every_domain_is_a_niche():
    """A head of niches alone counts the energy of all of them."""
    head = replace(HEAD, classes=("law", "sql"))
    e = np.exp(1)
    assert head.negative_energy(LOGITS) == pytest.approx([np.log(2 + e), np.log(1 + e + e**2)])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"weights": np.ones((2, 2), np.float32)}, "weights"),
        ({"domains": np.array([0, 1])}, "domains"),
        ({"domains": np.array([0, 0, 0])}, "sub-cluster"),
        ({"domains": np.array([0, 1, 2])}, "sub-cluster"),
        ({"classes": ("sql",), "domains": np.zeros(3, np.int64)}, "sql"),
        ({"bias": np.array([0, np.nan, 0], np.float32)}, "weight"),
        ({"temperature": 0.0}, "temperature"),
    ],
    ids=[
        "weights",
        "domains",
        "empty class",
        "no such class",
        "one class",
        "nan",
        "cold",
    ],
)
def test_a_head_that_does_not_fit_itself_is_refused(change, named):
    """A fault is found when the head is made, not when a request comes."""
    with pytest.raises(ValueError, match=named):
        replace(HEAD, **change)
