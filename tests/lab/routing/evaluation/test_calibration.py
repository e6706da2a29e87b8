"""Calibration: whether probabilities mean what they say."""

import numpy as np
import pytest

from lab.routing.evaluation.calibration import calibration_error, log_loss


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
