"""The Pareto front."""

from hypothesis import given
from hypothesis import strategies as st

from lab.statistics.pareto import pareto_front

Point = tuple[float, float]

numbers = st.integers(0, 40).map(lambda number: number / 40)


def front(points: list[Point]) -> list[Point]:
    return pareto_front(points, lambda point: point)


def test_of_equal_costs_the_better_one_stays() -> None:
    """The other is beaten at the same cost."""
    assert front([(1, 0.2), (1, 0.3)]) == [(1, 0.3)]


def test_of_equal_points_the_first_one_stays() -> None:
    """Names do not matter, their order does."""
    places = {"one": (1.0, 0.3), "two": (1.0, 0.3)}
    assert pareto_front(places, places.__getitem__) == ["one"]


def test_without_points_there_is_no_front() -> None:
    """As where no cost is known."""
    assert front([]) == []


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=25))
def test_the_front_is_what_no_other_point_beats(points: list[Point]) -> None:
    """ComparisonResult by comparing all with all."""
    beaten = {
        point
        for point in points
        for other in points
        if other != point and other[0] <= point[0] and other[1] >= point[1]
    }
    found = front(points)
    assert set(found) == set(points) - beaten
    assert found == sorted(found)
