"""From which traffic on a specialist pays."""

from dataclasses import replace

import numpy as np
import pytest

from lab.planning.break_even import BreakEven, break_even
from lab.planning.fleet import fleet, parts
from lab.planning.measurements import ANY, Measurements, Work
from lab.planning.queue import Limits
from tests.lab.planning.machines import LARGE, MACHINES, MEASURED, SQL, TOOLS, WORK

LIMITS = Limits()


def found(rates=None, machines=MACHINES, measured=MEASURED, limits=LIMITS) -> BreakEven:
    return break_even(machines[1], rates or {"general": 1.0}, machines, (measured, limits))


def costs(rate: float, machines) -> float:
    """By how much routing costs more, whole fleets counted, at this rate in the domain."""
    rates = {"general": 1.0, "sql": rate}
    pair, seen = machines[:2], Measurements({}, WORK)
    with_it, without = (
        fleet(some, parts(rates, some, seen), LIMITS).per_hour for some in (pair, pair[:1])
    )
    return with_it - without


def test_from_there_on_whole_fleets_cost_no_more() -> None:
    """And a little below, they cost more."""
    point = found().from_rate

    assert point is not None
    assert costs(point * 0.999, MACHINES) > 0
    assert all(costs(rate, MACHINES) <= 1e-9 for rate in np.linspace(point, 20 * point, 300))


def test_a_more_expensive_specialist_pays_later() -> None:
    """More of the generalist must be spared for it."""
    dear = (LARGE, replace(SQL, per_hour=3.0))

    point, later = found().from_rate, found(machines=dear).from_rate

    assert point is not None
    assert later is not None
    assert later > point


def test_a_specialist_that_takes_as_much_never_pays() -> None:
    """However much is asked of it."""
    slow = Measurements({}, WORK | {(ANY, "sql"): Work(1, 8.0)})

    assert found(measured=slow).from_rate is None
    assert not found(measured=slow).pays


def test_the_price_of_a_request_is_that_of_busy_machines() -> None:
    """Half a second of an hour's price, by the share that a machine may be busy."""
    assert found().own == pytest.approx(0.5 * 1.0 / 3600 / 0.7)
    assert found().others == pytest.approx(2.0 * 4.0 / 3600 / 0.7)


def test_one_that_ends_when_idle_pays_sooner() -> None:
    """It costs nothing while nobody asks."""
    idle = (LARGE, replace(SQL, min_replicas=0))

    first, second = found(machines=idle).from_rate, found().from_rate

    assert first is not None
    assert second is not None
    assert first <= second


def test_one_that_shares_replicas_pays_sooner() -> None:
    """The pool stands there for the others anyway."""
    pool = (LARGE, replace(SQL, pool="base"), replace(TOOLS, pool="base"))

    alone, shared = found().from_rate, found(machines=pool).from_rate

    assert alone is not None
    assert shared is not None
    assert shared < alone


def test_the_generalist_may_share_the_replicas() -> None:
    """A specialist that takes less of them never costs more."""
    together = tuple(replace(of, pool="base", per_hour=1.0) for of in MACHINES)

    assert found(machines=together).from_rate == 0


def test_one_that_takes_as_much_of_the_generalists_replicas_costs_no_more() -> None:
    """They are there without it; one that takes more needs more of them at some rate."""
    together = tuple(replace(of, pool="base", per_hour=1.0) for of in MACHINES)
    large = WORK[ANY, "large"]
    more = Work(large.requests, large.seconds * 1.5, large.tokens)

    same = found(machines=together, measured=Measurements({}, WORK | {(ANY, "sql"): large}))
    slow = found(machines=together, measured=Measurements({}, WORK | {(ANY, "sql"): more}))

    assert (same.from_rate, same.pays) == (0, True)
    assert slow.from_rate is None


@pytest.mark.parametrize(("rate", "pays"), [(0.001, False), (50.0, True)])
def test_it_pays_at_what_is_planned_or_not(rate, pays) -> None:
    """By the requests that the router gives it."""
    point = found({"general": 1.0, "sql": rate})

    assert (point.now, point.pays) == (rate, pays)


def test_it_counts_what_the_router_gives_it() -> None:
    """Not what it keeps from it."""
    half = Measurements({("sql", "sql"): 1, ("sql", "large"): 1}, WORK)

    assert found({"sql": 4.0}, measured=half).now == 2.0
