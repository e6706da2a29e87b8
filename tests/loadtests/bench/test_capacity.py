"""The largest number of streams that do not stall."""

import pytest

from loadtests.bench.capacity import LARGEST, step_up


def holding(most: int):
    return lambda streams: 1.0 if streams <= most else 0.5


@pytest.mark.parametrize(
    ("holds", "found"),
    [(100, 96), (16, 16), (15, 12), (8, 8), (3, 0), (700, 640)],
    ids=["between", "the first", "below the first", "half of it", "none", "many"],
)
def test_the_number_is_found_to_an_eighth_or_so(holds: int, found: int) -> None:
    """It is doubled until it does not hold, then the difference is halved twice."""
    capacity = step_up(holding(holds))

    assert (capacity.streams, capacity.limited) == (found, True)


def test_every_number_that_was_tried_is_kept() -> None:
    """With its share; one that does not hold is tried twice."""
    shares = step_up(holding(40)).shares

    assert shares == [(16, 1.0), (32, 1.0), *[(64, 0.5)] * 2, *[(48, 0.5)] * 2, (40, 1.0)]


def test_a_number_that_holds_at_the_second_try_holds() -> None:
    """A hiccup of the machine is not the target's."""
    shares = iter([0.5, 1.0])

    capacity = step_up(lambda _: next(shares), most=16)

    assert (capacity.streams, capacity.limited) == (16, False)


def test_no_more_is_tried_than_the_bare_upstream_holds() -> None:
    """That number itself is tried; if it holds, the target may hold more."""
    capacity = step_up(holding(1000), most=48)

    assert (capacity.streams, capacity.limited) == (48, False)
    assert [streams for streams, _ in capacity.shares] == [16, 32, 48]


def test_the_search_ends_at_the_largest_step() -> None:
    """Whatever holds."""
    capacity = step_up(holding(10**9))

    assert (capacity.streams, capacity.limited) == (LARGEST, False)


def test_nothing_is_tried_if_the_bare_upstream_holds_none() -> None:
    """Then the machine is the limit, and nothing is known of the target."""
    capacity = step_up(holding(100), most=0)

    assert (capacity.streams, capacity.limited, capacity.shares) == (0, False, [])


def test_the_share_that_is_required_is_enough() -> None:
    """At least, not more than."""
    assert step_up(lambda _: 0.95, required=0.95, most=16).streams == 16
    assert step_up(lambda _: 0.95, required=0.99, most=16).streams == 0
