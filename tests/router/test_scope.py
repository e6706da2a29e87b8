"""Familiarity: two views on one scale."""

from dataclasses import replace

import numpy as np
import pytest

from router.scope import Scale, Scope

PROTOTYPES = np.array([[1, 0], [0, 1]], np.float32)
SCOPE = Scope(PROTOTYPES, Scale(2.0, 0.5), Scale(0.5, 0.25), threshold=-1.0)


def test_familiarity_adds_both_views_in_standard_deviations():
    """An energy two deviations up and a likeness two down cancel out."""
    vectors = np.array([[0.0, 0.0], [1.0, 0.0]], np.float32)
    assert SCOPE.familiarity(np.array([3.0, 2.0]), vectors) == pytest.approx([0.0, 2.0])


def test_the_nearest_prototype_counts():
    """Of several prototypes the most alike is taken."""
    assert SCOPE.nearest(np.array([[0.25, 0.75]], np.float32)) == pytest.approx([0.75])


def test_no_vectors_have_no_familiarity():
    """An empty batch gives an empty answer."""
    assert SCOPE.familiarity(np.zeros(0), np.zeros((0, 2), np.float32)).shape == (0,)


def test_a_scale_is_that_of_the_scores():
    """Mean and standard deviation, and the unit where all scores are alike."""
    assert Scale.of(np.array([1.0, 3.0])) == Scale(2.0, 1.0)
    assert Scale.of(np.array([4.0, 4.0])) == Scale(4.0, 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prototypes": np.zeros((0, 2), np.float32)}, "prototypes of shape"),
        ({"prototypes": np.array([[np.nan, 0]], np.float32)}, "not a number"),
        ({"threshold": np.nan}, "not a number"),
    ],
    ids=["none", "nan", "threshold"],
)
def test_a_scope_that_cannot_be_is_refused(change, message):
    """A fault is found when the scope is made."""
    with pytest.raises(ValueError, match=message):
        replace(SCOPE, **change)


@pytest.mark.parametrize(("mean", "spread"), [(np.nan, 1.0), (0.0, 0.0), (0.0, np.inf)])
def test_a_scale_without_width_is_refused(mean, spread):
    """Nothing can be measured in such units."""
    with pytest.raises(ValueError, match="a scale of mean"):
        Scale(mean, spread)
