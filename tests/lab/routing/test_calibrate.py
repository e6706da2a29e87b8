"""Thresholds that validation rows choose."""

import numpy as np
import pytest
from scipy.special import softmax

from lab.routing.calibrate import choose_confidence, choose_temperature


def drawn(scale, rows=4000):
    """Logits whose softmax at temperature `scale` is the true probability."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(rows, 2)) * 2
    truth = (rng.random(rows) < softmax(logits, axis=1)[:, 1]).astype(np.int64)
    return logits * scale, np.array([0, 1]), truth


def test_a_temperature_that_helps_is_found():
    """Logits three times too large are divided by about three."""
    assert choose_temperature(*drawn(3.0)) == pytest.approx(3.0, rel=0.15)


def test_a_temperature_that_does_not_help_is_not_kept():
    """Where the half that checks gets worse, the temperature stays one."""
    logits, domains, truth = drawn(1.0, rows=400)
    # The fitting half says "be bolder"; the checking half is pure chance.
    truth[0::2] = logits[0::2].argmax(axis=1)
    assert choose_temperature(logits, domains, truth) == 1.0


def test_the_lowest_confidence_within_the_limit_is_chosen():
    """Wrong rows lie below 0.7: from just above them on there are none."""
    confidence = np.array([0.55, 0.69, 0.75, 0.9])
    wrong = np.array([True, True, False, False])
    assert choose_confidence(confidence, wrong, limit=0.0) == pytest.approx(0.7)


def test_no_confidence_is_needed_when_all_is_right():
    """Without wrong rows the lowest of the grid does."""
    assert choose_confidence(np.array([0.6]), np.array([False]), limit=0.0) == 0.5


def test_the_highest_confidence_is_chosen_when_none_is_enough():
    """Rows that are surely wrong leave the strictest threshold."""
    assert choose_confidence(np.array([1.0]), np.array([True]), limit=0.0) == 0.99
