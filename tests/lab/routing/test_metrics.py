"""Log loss, calibration and risk-coverage, worked out by hand and checked against each other."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lab.routing.metrics import calibration_error, log_loss, reliability, risk_coverage
from lab.routing.values import RiskPoint


def test_log_loss_is_the_mean_negative_log_probability():
    """Two rows with probabilities a half and a quarter for the truth."""
    found = log_loss(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 0]))
    assert found == pytest.approx((np.log(2) + np.log(4)) / 2)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    """Confidence 0.9 with half of the rows right is an error of 0.4."""
    probabilities = np.tile([0.9, 0.1], (10, 1))
    assert calibration_error(probabilities, np.array([0, 1] * 5)) == pytest.approx(0.4)


def test_calibration_error_of_honest_confidence_is_zero():
    """Confidence 0.8 with eight of ten right is no error."""
    probabilities = np.tile([0.8, 0.2], (10, 1))
    assert calibration_error(probabilities, np.array([0] * 8 + [1] * 2)) == pytest.approx(0)


def test_bins_hold_their_rows_with_mean_confidence_and_accuracy():
    """Three rows in the last bin, one right; one in the first."""
    found = reliability(np.array([0.95, 0.97, 1.0, 0.0]), np.array([True, False, False, False]))
    filled = [cell for cell in found.bins if cell.rows]
    assert [(cell.rows, cell.accuracy) for cell in filled] == [(1, 0.0), (3, pytest.approx(1 / 3))]
    assert filled[1].confidence == pytest.approx((0.95 + 0.97 + 1) / 3)
    assert (len(found.bins), found.bins[0].low, found.bins[-1].high) == (15, 0.0, 1.0)


def test_the_error_is_the_gap_weighted_by_rows():
    """Confidence 0.9 and half right is an error of 0.4, whichever the bins."""
    found = reliability(np.full(30, 0.9), np.arange(30) % 2 == 0)
    assert found.ece == pytest.approx(0.4)


def test_adaptive_bins_hold_equally_many_rows():
    """Thirty rows, two a bin: pairs of opposite errors cancel out, others do not."""
    confidence = np.repeat(np.linspace(0.1, 0.9, 15), 2)
    right = np.tile([True, False], 15)
    assert reliability(confidence, right).adaptive_ece == pytest.approx(
        np.abs(np.linspace(0.1, 0.9, 15) - 0.5).mean()
    )


def test_without_rows_there_is_no_error():
    """Nothing is neither honest nor dishonest."""
    found = reliability(np.zeros(0), np.zeros(0, bool))
    assert math.isnan(found.ece)
    assert math.isnan(found.adaptive_ece)


confidences = arrays(np.float64, st.integers(1, 40), elements=st.floats(0.5, 1))


@given(confidences, st.randoms())
def test_both_calibration_errors_agree(confidence, random):
    """The report and the choice of the temperature speak of the same figure."""
    truth = np.array([random.randrange(2) for _ in confidence])
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    found = reliability(confidence, probabilities.argmax(axis=1) == truth)
    assert found.ece == pytest.approx(calibration_error(probabilities, truth))


def test_rows_of_one_confidence_are_routed_together():
    """No threshold parts them."""
    found = risk_coverage(np.array([0.6, 0.9, 0.6]), np.array([True, False, False]), rows=6)
    assert found.points == (RiskPoint(0.9, 1 / 6, 0.0), RiskPoint(0.6, 0.5, pytest.approx(1 / 3)))
    assert found.area == pytest.approx(2 / 9)


def test_nothing_to_route_has_no_curve():
    """There is no point and no area."""
    found = risk_coverage(np.zeros(0), np.zeros(0, bool), rows=5)
    assert found.points == ()
    assert math.isnan(found.area)


@given(confidences, st.floats(0, 1), st.randoms())
def test_a_point_says_what_its_threshold_does(confidence, threshold, random):
    """Coverage and risk at any threshold are those of the rows at or above it."""
    wrong = np.array([random.random() < 0.3 for _ in confidence])
    found = risk_coverage(confidence, wrong, rows=100).at(threshold)
    routed = confidence >= threshold
    assert found.coverage == pytest.approx(routed.sum() / 100)
    assert found.risk == pytest.approx(wrong[routed].mean() if routed.any() else 0)
