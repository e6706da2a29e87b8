"""The OOD score: two views on one scale."""

from dataclasses import replace

import numpy as np
import pytest

from router.ood import OodDetector, Scale, nearest

PROTOTYPES = np.array([[1, 0], [0, 1]], np.float32)
DETECTOR = OodDetector(PROTOTYPES, Scale(2.0, 0.5), Scale(0.5, 0.25), max_score=1.0)


def test_the_score_adds_both_views_in_standard_deviations():
    """An energy two deviations up and a similarity two down cancel out; higher is less alike."""
    vectors = np.array([[0.0, 0.0], [1.0, 0.0]], np.float32)
    assert DETECTOR.scores(np.array([3.0, 2.0]), vectors) == pytest.approx([0.0, -2.0])


def test_the_nearest_prototype_counts():
    """Of several prototypes the most alike is taken."""
    assert nearest(PROTOTYPES, np.array([[0.25, 0.75]], np.float32)) == pytest.approx([0.75])


def test_no_vectors_have_no_scores():
    """An empty batch gives an empty answer."""
    assert DETECTOR.scores(np.zeros(0), np.zeros((0, 2), np.float32)).shape == (0,)


def test_a_scale_is_that_of_the_scores():
    """Mean and standard deviation, and the unit where all scores are alike."""
    assert Scale.of(np.array([1.0, 3.0])) == Scale(2.0, 1.0)
    assert Scale.of(np.array([4.0, 4.0])) == Scale(4.0, 1.0)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"prototypes": np.zeros((0, 2), np.float32)}, r"\(0, 2\)"),
        ({"prototypes": np.array([[np.nan, 0]], np.float32)}, "prototype"),
        ({"max_score": np.nan}, "max_score"),
    ],
    ids=["none", "nan", "threshold"],
)
def test_a_detector_that_cannot_be_is_refused(change, named):
    """A fault is found when the detector is made."""
    with pytest.raises(ValueError, match=named):
        replace(DETECTOR, **change)


@pytest.mark.parametrize(("mean", "spread"), [(np.nan, 1.0), (0.0, 0.0), (0.0, np.inf)])
def test_a_scale_without_width_is_refused(mean, spread):
    """Nothing can be measured in such units."""
    with pytest.raises(ValueError, match=f"{mean}.*{spread}"):
        Scale(mean, spread)
