"""Qualities: by rows that are independent, or by groups of rows that are not."""

import numpy as np
import pytest

from lab.statistics.bootstrap import draws, interval
from lab.statistics.quality import qualities, quality_difference, quality_interval

ALL_RIGHT, ALL_WRONG = (np.tile([hit, 1, 1], (60, 1)) for hit in (1, 0))
TABLES = np.repeat(np.arange(3), 20)
"""Sixty rows of three tables."""


def test_nothing_wanted_and_nothing_claimed_is_right() -> None:
    """As `Counts.quality` has it."""
    assert (qualities(np.zeros((4, 3), dtype=np.int64), draws(4, "set")) == 1).all()


def test_no_right_answer_in_many_still_has_an_upper_bound() -> None:
    """Wilson's interval for a share; draws of zeros would claim certainty."""
    found = quality_interval(ALL_WRONG[:50], np.arange(50), "set")

    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(0.0714, abs=1e-3)


def test_items_have_the_interval_of_the_draws() -> None:
    """Wilson's is for right or wrong alone."""
    counts = np.array([[1, 2, 2], [2, 2, 2], [0, 1, 1]] * 10)

    found = quality_interval(counts, np.arange(30), "set")

    assert found == interval(qualities(counts, draws(30, "set")))


def test_rows_of_a_group_are_no_more_certain_than_one_row() -> None:
    """Tables of which every row is right, or none: as wide as for as many single rows."""
    counts = np.repeat([[1, 1, 1], [0, 1, 1]], 200, axis=0)

    found = quality_interval(counts, np.repeat(np.arange(40), 10), "set")

    alone = quality_interval(counts[::10], np.arange(40), "set")
    assert found.value == 0.5
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=0.03)


@pytest.mark.parametrize(("counts", "value"), [(ALL_RIGHT, 1), (ALL_WRONG, 0)])
def test_groups_that_are_all_alike_leave_doubt(counts: np.ndarray, value: int) -> None:
    """Three tables say little about the next one, however many rows they have."""
    found = quality_interval(counts, TABLES, "set")

    assert found.value == value
    assert found.high - found.low > 0.4


def test_lists_of_items_in_groups_leave_doubt_too() -> None:
    """Every item found in three documents."""
    found = quality_interval(3 * ALL_RIGHT, TABLES, "set")

    assert (found.value, found.high) == (1, 1)
    assert found.low < 0.6


def test_a_difference_is_between_groups() -> None:
    """A model that is better in two of three tables is better in forty of sixty rows, and yet may
    be so by chance."""
    first = np.where(TABLES[:, None] < 2, ALL_RIGHT, ALL_WRONG)

    by_row = quality_difference(first, ALL_WRONG, np.arange(60), "set")
    by_table = quality_difference(first, ALL_WRONG, TABLES, "set")

    assert by_row.value == by_table.value == pytest.approx(2 / 3)
    assert by_row.low > 0.5
    assert by_table.low <= 0
