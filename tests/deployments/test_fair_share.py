"""Max-min fairness."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.fair_share import fair_share

WANTED = st.lists(st.integers(0, 30), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("amount", "wanted", "others", "share"),
    [
        pytest.param(4, 3, [], 3, id="alone, and enough"),
        pytest.param(4, 9, [], 4, id="alone, and not enough"),
        pytest.param(4, 1, [2], 1, id="enough for all"),
        pytest.param(4, 9, [9], 2, id="equal"),
        pytest.param(4, 1, [30], 1, id="the modest get all that they want"),
        pytest.param(4, 30, [1], 3, id="the greedy get the rest"),
        pytest.param(12, 5, [1, 10], 5, id="between them"),
        pytest.param(4, 0, [9], 0, id="who wants nothing"),
    ],
)
def test_shares(amount: float, wanted: float, others: list[float], share: float) -> None:
    """What each kind of taker gets."""
    assert fair_share(amount, wanted, others) == share


@given(st.integers(1, 20), WANTED)
def test_nothing_is_left_while_somebody_wants_it(amount: int, wanted: list[int]) -> None:
    """The shares together are what there is, or all that is wanted."""
    shares = [
        fair_share(amount, one, wanted[:index] + wanted[index + 1 :])
        for index, one in enumerate(wanted)
    ]

    assert sum(shares) == pytest.approx(min(amount, sum(wanted)))


@given(st.integers(1, 20), WANTED, st.integers(0, 30))
def test_nobody_gets_less_than_an_equal_part(amount: int, others: list[int], wanted: int) -> None:
    """However much the others want."""
    equal = amount / (len(others) + 1)

    assert fair_share(amount, wanted, others) >= min(wanted, equal) - 1e-9
