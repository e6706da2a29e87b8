"""The head: linear layer, roll-up, familiarity, and what it refuses to be."""

from dataclasses import replace

import numpy as np
import pytest

from router.head import Head

HEAD = Head(
    classes=("general", "sql"),
    weights=np.array([[1, 0], [0, 1], [0, 2]], np.float32),
    bias=np.zeros(3, np.float32),
    domains=np.array([0, 1, 1]),
    scope_threshold=0.5,
    min_confidence=0.6,
)
VECTORS = np.array([[1, 0], [0, 1]], np.float32)


def test_probability_of_a_domain_is_the_sum_over_its_sub_clusters():
    """Probabilities roll up by domain and sum to one."""
    e = np.exp(1)
    found = HEAD.probabilities(VECTORS)
    assert found[0] == pytest.approx([e / (e + 2), 2 / (e + 2)])
    assert found.sum(axis=1) == pytest.approx([1, 1])


def test_familiarity_is_the_energy_of_the_niches_alone():
    """The sub-clusters of `general` make nothing familiar."""
    e = np.exp(1)
    assert HEAD.scope(VECTORS) == pytest.approx([np.log(2), np.log(e + e**2)])


def test_temperature_softens_without_changing_familiarity():
    """A temperature above one lowers the confidence and leaves the scope alone."""
    soft = replace(HEAD, temperature=4.0)
    assert soft.probabilities(VECTORS).max() < HEAD.probabilities(VECTORS).max()
    assert soft.scope(VECTORS) == pytest.approx(HEAD.scope(VECTORS))


def test_scores_carry_the_thresholds_and_the_cut():
    """Each score says what it must be compared with, and whether the text was cut."""
    scores = HEAD.scores(VECTORS, [False, True])
    assert [found.truncated for found in scores] == [False, True]
    assert (scores[0].scope_threshold, scores[0].min_confidence) == (0.5, 0.6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.ones((2, 2), np.float32)}, "do not fit 3 biases"),
        ({"domains": np.array([0, 1])}, "expected \\(3,\\)"),
        ({"domains": np.array([0, 0, 0])}, "sub-cluster of its own"),
        ({"domains": np.array([0, 1, 2])}, "sub-cluster of its own"),
        ({"classes": ("law", "sql")}, "general"),
        ({"bias": np.array([0, np.nan, 0], np.float32)}, "finite"),
        ({"temperature": 0.0}, "above 0"),
        ({"scope_threshold": np.nan}, "finite"),
    ],
    ids=[
        "weights",
        "domains",
        "empty class",
        "no such class",
        "no general",
        "nan",
        "cold",
        "scope",
    ],
)
def test_a_head_that_does_not_fit_itself_is_refused(change, message):
    """A fault is found when the head is made, not when a request comes."""
    with pytest.raises(ValueError, match=message):
        replace(HEAD, **change)
