"""Three costs, never mixed."""

import numpy as np
import pytest

from lab.comparison.costs import Fleet, capacity_cost, cost, relative_cost
from lab.comparison.prices import ModelPrice
from lab.planning.queue import Limits, replicas_needed
from lab.statistics.bootstrap import draws
from tests.lab.comparison.samples import arm

TAKEN = draws(4, "test")
NONE = Fleet({})
HOURLY = ModelPrice(machine_per_hour=3.6)


def test_list_and_attributed_cost_are_means_of_what_is_known() -> None:
    """A failed request has none."""
    found = arm("a", [1, 1, 1, 0], list_cost=[1, 2, 3, None], attributed_cost=[5, 5, 5, 5])

    assert cost(found, "list", NONE, TAKEN).value == pytest.approx(2)
    assert cost(found, "attributed", NONE, TAKEN).value == pytest.approx(5)


def test_a_cost_that_nobody_knows_is_none() -> None:
    """And so is one that is nothing: no prices were given."""
    found = arm("a", [1, 1, 1, 1], list_cost=[0, 0, 0, 0])

    assert cost(found, "list", NONE, TAKEN) is None
    assert cost(found, "attributed", NONE, TAKEN) is None
    assert cost(found, "capacity", Fleet({"a": HOURLY}, 10), TAKEN) is None


def test_only_prompts_count_that_both_answered() -> None:
    """An arm must not look cheap for having failed on the long ones."""
    first = arm("a", [1, 1, 0, 0], list_cost=[1, 1, None, None])
    second = arm("b", [1, 1, 1, 1], list_cost=[2, 2, 50, 50])

    found = relative_cost((first, NONE), (second, NONE), "list", draws(4, "test")[:1].repeat(3, 0))

    assert found.value == pytest.approx(-0.5)


def test_a_saving_is_as_sure_as_its_prompts() -> None:
    """Where every prompt saves as much, so does every draw."""
    first = arm("a", [1, 1, 1, 1], list_cost=[1, 2, 3, 4])
    second = arm("b", [1, 1, 1, 1], list_cost=[2, 4, 6, 8])

    found = relative_cost((first, NONE), (second, NONE), "list", TAKEN)

    assert (found.low, found.value, found.high) == pytest.approx((-0.5, -0.5, -0.5))


def test_idle_replicas_are_shared_by_the_traffic() -> None:
    """Three models at 3.6 an hour, 100 requests an hour: a request pays a hundredth of them."""
    found = arm("auto", [1] * 4, engine_seconds=[0.1] * 4, models=["a", "a", "b", "c"])
    fleet = Fleet({name: HOURLY for name in "abc"}, 100)

    assert capacity_cost(found, fleet) == pytest.approx(3 * 3.6 / 100)
    assert cost(found, "capacity", fleet, TAKEN).value == pytest.approx(3 * 3.6 / 100)


def test_models_of_a_pool_share_its_replicas() -> None:
    """Together they need fewer than alone."""
    pool = ModelPrice(machine_per_hour=3.6, pool="base")
    found = arm("auto", [1] * 4, engine_seconds=[0.35] * 4, models=["a", "a", "b", "b"])
    alone, together = (int(replicas_needed(rate, 0.35, Limits())) for rate in (2.0, 4.0))

    assert capacity_cost(found, Fleet({"a": HOURLY, "b": HOURLY}, 4 * 3600)) == pytest.approx(
        2 * alone * 3.6 / (4 * 3600)
    )
    assert capacity_cost(found, Fleet({"a": pool, "b": pool}, 4 * 3600)) == pytest.approx(
        together * 3.6 / (4 * 3600)
    )
    assert together < 2 * alone


def test_busy_models_need_more_replicas() -> None:
    """As many as a plan for the same traffic has: two requests a second of 0.7 engine seconds."""
    found = arm("a", [1] * 4, engine_seconds=[0.7] * 4)
    replicas = int(replicas_needed(2.0, 0.7, Limits()))

    assert replicas > 2  # two would be 70 % busy, and let many wait
    assert capacity_cost(found, Fleet({"a": HOURLY}, 7200)) == pytest.approx(replicas * 3.6 / 7200)


def test_configured_replicas_stand_there_anyhow() -> None:
    """Four of them, with nothing to do."""
    price = ModelPrice(machine_per_hour=3.6, replicas=4)
    found = arm("a", [1] * 4, engine_seconds=[0.001] * 4)

    assert capacity_cost(found, Fleet({"a": price}, 10)) == pytest.approx(4 * 3.6 / 10)


def test_capacity_needs_the_price_of_a_machine_and_the_traffic() -> None:
    """Without either it is not known."""
    found = arm("a", [1] * 4, engine_seconds=[0.1] * 4)

    assert capacity_cost(found, Fleet({"a": ModelPrice()}, 10)) is None
    assert capacity_cost(found, Fleet({"a": HOURLY}, None)) is None


def test_a_draw_without_any_known_cost_tells_nothing() -> None:
    """It is no division by zero."""
    lone = arm("a", [1, 1], list_cost=[1, None])
    taken = np.array([[1, 1], [0, 2]])

    assert relative_cost((lone, NONE), (lone, NONE), "list", taken) is None
