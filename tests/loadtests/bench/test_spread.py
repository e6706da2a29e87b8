"""Figures of several rounds."""

from loadtests.bench.spread import Spread, differences, percentile, ratios, spread


def test_a_spread_has_the_median_and_the_range() -> None:
    """Of the rounds whose value is known."""
    assert spread([3.0, None, 1.0, 10.0]) == Spread(median=3.0, low=1.0, high=10.0, rounds=3)


def test_nothing_known_has_no_spread() -> None:
    """Not a zero."""
    assert spread([None, None]) is None


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """The smallest that the share does not exceed."""
    values = [5.0, 1.0, 3.0, 2.0, 4.0]

    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 3.0, 5.0, 5.0]
    assert percentile([], 0.5) is None


def test_comparisons_are_within_a_round() -> None:
    """A round in which one of the two is unknown does not count."""
    ours, theirs = {1: 10.0, 2: 30.0, 3: None}, {1: 5.0, 2: 10.0, 3: 1.0, 4: 1.0}

    assert ratios(ours, theirs) == Spread(2.5, 2.0, 3.0, 2)
    assert differences(ours, theirs) == Spread(12.5, 5.0, 20.0, 2)


def test_nothing_is_divided_by_zero() -> None:
    """Such a round has no ratio."""
    assert ratios({1: 1.0}, {1: 0.0}) is None
