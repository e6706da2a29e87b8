"""Counts: what graders give, and how the counts of many answers add up."""

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.grading.counts import Counts, passed


@st.composite
def counts(draw: st.DrawFn) -> Counts:
    claimed, wanted = draw(st.integers(0, 9)), draw(st.integers(0, 9))
    return Counts(draw(st.integers(0, min(claimed, wanted))), claimed, wanted)


@given(counts())
def test_quality_is_a_share(one: Counts) -> None:
    """Whatever was counted, the quality lies between 0 and 1."""
    assert 0 <= one.quality <= 1


@given(counts())
def test_quality_is_f1(one: Counts) -> None:
    """It is the harmonic mean of precision and recall, where both are known."""
    if one.hits:
        precision, recall = one.hits / one.claimed, one.hits / one.wanted
        assert one.quality == pytest.approx(2 * precision * recall / (precision + recall))


@given(counts(), counts(), counts())
def test_counts_add_like_numbers(one: Counts, two: Counts, three: Counts) -> None:
    """Order and grouping do not matter, and nothing counted changes nothing."""
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + Counts() == one


@given(counts(), counts())
def test_a_sum_lies_between_its_parts(one: Counts, two: Counts) -> None:
    """Answers of some quality together are neither better than the best nor worse than the worst,
    where both had something to count."""
    if one.claimed + one.wanted and two.claimed + two.wanted:
        low, high = sorted([one.quality, two.quality])
        assert low - 1e-9 <= (one + two).quality <= high + 1e-9


@given(st.lists(st.booleans(), min_size=1))
def test_the_quality_of_passes_and_fails_is_their_accuracy(right: list[bool]) -> None:
    """An answer that is right or wrong as a whole is one item."""
    total = reduce(Counts.__add__, map(passed, right))

    assert total.quality == pytest.approx(sum(right) / len(right))
    assert total.wanted == len(right)


def test_nothing_wanted_and_nothing_claimed_is_right() -> None:
    """Silence is the right answer where there is nothing to say."""
    assert Counts().quality == 1
    assert Counts(0, 1, 0).quality == 0
    assert Counts(0, 0, 1).quality == 0


@pytest.mark.parametrize("wrong", [(-1, 0, 0), (2, 1, 2), (2, 2, 1), (0, -1, 0), (1, 0, 0)])
def test_counts_that_cannot_be_are_refused(wrong: tuple[int, int, int]) -> None:
    """No more hits than items, and nothing below zero."""
    with pytest.raises(ValueError, match="hits"):
        Counts(*wrong)
