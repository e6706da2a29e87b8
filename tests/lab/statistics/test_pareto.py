"""The Pareto front."""

from lab.statistics.pareto import front


def test_the_front_has_what_nothing_beats_in_both() -> None:
    """From the cheapest to the best."""
    points = {"cheap": (1, 0.2), "good": (3, 0.9), "beaten": (2, 0.1), "dear": (4, 0.9)}

    assert front(points) == ("cheap", "good")


def test_of_equal_costs_the_better_one_stays() -> None:
    """The other is beaten at the same cost."""
    assert front({"worse": (1, 0.2), "better": (1, 0.3)}) == ("better",)


def test_no_arms_have_no_front() -> None:
    """Where no cost is known."""
    assert front({}) == ()
