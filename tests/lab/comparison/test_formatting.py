"""Numbers as people read them."""

import pytest

from lab.comparison.formatting import (
    money,
    percent,
    points,
    points_between,
    seconds,
    signed_seconds,
    whole,
)
from lab.statistics.interval import Interval


def test_a_difference_is_told_in_points() -> None:
    """With its sign."""
    assert (points(0.034), points(-0.5), points(0.02, sign="")) == ("+3.4", "-50.0", "2.0")
    assert points_between(Interval(0.1, -0.004, 0.2)) == "-0.4 to +20.0"


def test_a_share_is_told_in_percent() -> None:
    """With a digit."""
    assert (percent(0.375), whole(1204.3)) == ("37.5 %", "1,204")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        pytest.param(4e-5, "40 \u00b5s", id="microseconds"),
        (0.0042, "4.2 ms"),
        (0.083, "83 ms"),
        (1.2345, "1.23 s"),
    ],
)
def test_a_time_is_told_in_the_unit_that_fits(value: float, told: str) -> None:
    """From microseconds on."""
    assert seconds(value) == told


def test_a_difference_of_times_has_its_sign() -> None:
    """And each bound of an interval its own unit."""
    assert (signed_seconds(0.083), signed_seconds(-21.68)) == ("+83 ms", "\u221221.68 s")


@pytest.mark.parametrize(("value", "told"), [(0, "0"), (0.00123, "0.00123"), (2e-6, "2.00e-06")])
def test_money_is_told_with_three_digits(value: float, told: str) -> None:
    """Small amounts too."""
    assert money(value) == told
