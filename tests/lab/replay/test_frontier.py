"""The hull of points, and the area below it, against other computations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import ConvexHull, QhullError

from lab.replay.frontier import aiq, cost_of, hull

numbers = st.integers(0, 40).map(lambda number: number / 40)
planes = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=25)


def upper(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The non-decreasing upper hull at some costs, by scipy: the hull of the points and of ones
    that stand far below, and far to the right of the best.
    """
    best = points[:, 1].max()
    around = [[points[:, 0].min(), -9.0], [9.0, -9.0], [9.0, best]]
    found = ConvexHull(np.vstack([points, around]))
    normals, offsets = found.equations[:, :2], found.equations[:, 2]
    top = normals[:, 1] > 1e-9
    heights = -(np.outer(at, normals[top, 0]) + offsets[top]) / normals[top, 1]
    return heights.min(axis=1)


@given(planes)
def test_the_hull_is_scipys(plane):
    """Between the cheapest point and beyond the best, at every cost."""
    points = np.array(plane)
    at = np.linspace(points[:, 0].min(), 2.0, 41)[1:]
    try:
        expected = upper(points, at)
    except QhullError:  # all points on a line
        return
    assert np.interp(at, *hull(points[:, 0], points[:, 1])) == pytest.approx(expected, abs=1e-9)


def test_aiq_by_hand():
    """Corners (0, 0.5), (1, 0.9), then flat to 2; what lies below the line does not count."""
    costs, qualities = np.array([0.0, 0.5, 1.0, 2.0]), np.array([0.5, 0.6, 0.9, 0.7])
    assert aiq(costs, qualities, 0.0, 2.0) == pytest.approx((0.7 * 1 + 0.9 * 1) / 2)


def test_aiq_of_a_range_within_the_hull():
    """From 0.5 to 1.5 the same corners give 0.7 to 0.9 over a half, and 0.9 over the other."""
    costs, qualities = np.array([0.0, 1.0]), np.array([0.5, 0.9])
    assert aiq(costs, qualities, 0.5, 1.5) == pytest.approx(0.5 * 0.8 + 0.5 * 0.9)


@given(planes)
def test_aiq_is_the_mean_height(plane):
    """A fine sum over scipy's hull gives the same area."""
    points = np.array([[0.0, 0.0], *plane])
    at = np.linspace(0, 1, 2001)
    expected = upper(points, at[1:]).mean()
    assert aiq(points[:, 0], points[:, 1], 0.0, 1.0) == pytest.approx(expected, abs=2e-3)


def test_what_a_quality_costs():
    """Half of the way up costs half of the way along, and what is above all is never reached."""
    costs, qualities = np.array([1.0, 3.0]), np.array([0.5, 0.7])
    assert cost_of(0.6, costs, qualities) == pytest.approx(2.0)
    assert cost_of(0.5, costs, qualities) == pytest.approx(1.0)
    assert cost_of(0.71, costs, qualities) == np.inf
