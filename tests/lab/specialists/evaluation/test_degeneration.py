"""Loops: what counts as one, and what does not."""

import math

from hypothesis import given
from hypothesis import strategies as st

from lab.specialists.evaluation.answers import Answer
from lab.specialists.evaluation.degeneration import degeneration, loops

TOKENS = st.integers(min_value=0, max_value=50)


@given(
    st.lists(TOKENS, max_size=30),
    st.lists(TOKENS, min_size=1, max_size=20),
    st.integers(min_value=4, max_value=9),
    st.integers(min_value=0, max_value=19),
)
def test_four_repetitions_of_up_to_twenty_tokens_are_a_loop_wherever_they_are_cut(
    before: list[int], repeated: list[int], times: int, more: int
) -> None:
    """What stands before does not matter, nor does a last repetition that is not whole."""
    times = max(times, 12)  # of a single token, twelve are needed

    assert loops([*before, *repeated * times, *repeated[: more % len(repeated)]])


@given(st.permutations(range(60)))
def test_tokens_that_all_differ_are_no_loop(tokens: list[int]) -> None:
    """Without a repetition there is none."""
    assert not loops(tokens)


@given(st.lists(TOKENS, max_size=11))
def test_fewer_than_twelve_tokens_are_no_loop(tokens: list[int]) -> None:
    """A short answer may say a thing four times."""
    assert not loops(tokens)


def test_three_repetitions_are_no_loop() -> None:
    """Lists and tables repeat a little."""
    assert not loops([1, 2, 3, 4, 5] * 3)


def test_a_loop_that_the_answer_left_is_none() -> None:
    """What counts is the end."""
    assert not loops([*[7] * 30, 1, 2, 3])


def test_a_longer_period_than_twenty_is_not_looked_for() -> None:
    """Whole paragraphs that come again need a longer answer than the limits allow."""
    assert not loops([*range(21)] * 4)
    assert loops([*range(20)] * 4)


def answer(tokens: int, *, cut: bool = False, looping: bool = False) -> Answer:
    return Answer("", 1, tokens, cut, looping, 0.0)


def test_the_rates_are_shares_of_all_answers() -> None:
    """Looping, cut, and the mean length."""
    found = degeneration(
        [answer(10, cut=True, looping=True), answer(4), answer(10, cut=True), answer(0)]
    )

    assert (found.answers, found.looping, found.cut, found.mean_tokens) == (4, 0.25, 0.5, 6.0)


def test_no_answers_have_no_rates() -> None:
    """Nothing was asked, so nothing is claimed."""
    found = degeneration([])

    assert found.answers == 0
    assert all(map(math.isnan, (found.looping, found.cut, found.mean_tokens)))
