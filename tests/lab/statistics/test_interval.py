"""Shares of rows with their intervals."""

import math

import numpy as np
import pytest

from lab.statistics.interval import share_interval


def test_a_share_has_wilsons_interval() -> None:
    """8 of 10: the textbook's 0.490 to 0.943."""
    found = share_interval([True] * 8 + [False] * 2)

    assert found.value == 0.8
    assert (found.low, found.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_the_exact_interval_of_no_hit_is_that_of_theory() -> None:
    """Of 10 rows none: 1 - 0.025 to the power of a tenth."""
    found = share_interval(np.zeros(10, dtype=bool), "exact")

    assert (found.low, found.high) == pytest.approx((0.0, 1 - 0.025**0.1))


def test_without_rows_a_share_may_be_anything() -> None:
    """It is not a number, and its bounds say nothing."""
    found = share_interval([])

    assert math.isnan(found.value)
    assert (found.low, found.high) == (0.0, 1.0)
