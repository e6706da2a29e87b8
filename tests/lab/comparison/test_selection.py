"""What live selection would make of a comparison's own pairs."""

import pytest

from lab.comparison.figures import SelectionFigures
from lab.comparison.selection import selected
from router.config import SelectionConfig
from tests.lab.comparison.samples import arm, sample_of

ROWS = 300


def of(
    specialist: list[float], generalist: list[float], settings: SelectionConfig | None = None
) -> SelectionFigures:
    """What selection makes of a specialist a dollar cheaper per request than the generalist."""
    rows = len(specialist)
    arms = [
        arm("auto", specialist, models=["sql"] * rows, list_cost=[1.0] * rows),
        arm("generalist", generalist, models=["big"] * rows, list_cost=[2.0] * rows),
    ]
    [found] = selected(sample_of(arms), settings or SelectionConfig())
    return found


def test_a_specialist_that_is_as_good_is_kept() -> None:
    """With the interval and the cost of all its pairs."""
    found = of([1.0, 0.0] * (ROWS // 2), [1.0, 0.0] * (ROWS // 2))

    assert (found.specialist, found.pairs, found.demoted_after, found.why) == (
        *("sql", ROWS),
        *(None, None),
    )
    assert found.quality is not None
    assert found.quality.low < 0 < found.quality.high
    assert found.expense is not None
    assert found.expense.value == pytest.approx(-1.0)


def test_a_worse_one_is_demoted_before_the_last_pair() -> None:
    """Its figures are those of all pairs all the same."""
    found = of([0.0, 1.0] * (ROWS // 2), [1.0] * ROWS)

    assert found.demoted_after is not None
    assert found.demoted_after < ROWS == found.pairs
    assert found.quality is not None
    assert found.quality.value == pytest.approx(-0.5)


def test_it_is_kept_where_points_are_worth_less_than_it_saves() -> None:
    """A dollar buys a hundred points at a cent each."""
    cheap = SelectionConfig(quality_point_worth=0.01)

    assert of([0.0, 1.0] * (ROWS // 2), [1.0] * ROWS, cheap).demoted_after is None


def test_answers_of_the_generalist_and_failures_are_no_pairs() -> None:
    """As live: both models must have answered."""
    auto = arm("auto", [1.0] * 4, models=["big", "sql", "sql", "sql"])
    generalist = arm("generalist", [1.0] * 4, models=["big"] * 4)
    auto.failed[3] = True

    [found] = selected(sample_of([auto, generalist]), SelectionConfig())

    assert found.pairs == 2


def test_a_gateway_that_names_no_models_has_no_specialists() -> None:
    """Nothing is known of who answered."""
    none = [None] * 4
    arms = [arm("auto", [1.0] * 4, models=none), arm("generalist", [1.0] * 4, models=none)]

    assert selected(sample_of(arms), SelectionConfig()) == ()
