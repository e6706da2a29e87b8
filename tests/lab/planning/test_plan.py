"""The whole plan, and its words."""

from dataclasses import replace

import pytest

from lab.planning.measured import Measured
from lab.planning.plan import Edge, Plan, mixed, plan
from lab.planning.queue import Limits
from lab.planning.traffic import PlanError
from lab.planning.words import told
from tests.lab.planning.machines import LARGE, MACHINES, MEASURED, SQL, WORK

EDGE = Edge(replicas=2, cpus=0.1)


def planned(machines=MACHINES, rate: float = 10.0, edge: Edge = EDGE) -> Plan:
    rates = mixed(rate, {}, MEASURED)
    return plan(rates, machines, edge, (MEASURED, Limits()))


def test_the_mix_is_given_or_measured() -> None:
    """Shares need not add up to one."""
    assert mixed(10.0, {"sql": 1, "general": 3}, MEASURED) == {"general": 7.5, "sql": 2.5}
    assert mixed(10.0, {}, MEASURED) == {"general": 7.0, "sql": 3.0}


def test_without_a_mix_there_is_no_plan() -> None:
    """It says how to give one."""
    with pytest.raises(PlanError, match="give --mix"):
        mixed(10.0, {}, Measured())


def test_all_traffic_is_in_both_fleets() -> None:
    """Routed, and the generalist alone."""
    found = planned()

    assert found.routed.rate == found.alone.rate == found.gateway.demand.rate == 10.0
    assert [of.machine.name for of in found.alone.deployments] == ["large"]


def test_the_gateway_takes_time_per_request_and_per_token() -> None:
    """Of its CPU; and a plan tells if it has too few replicas."""
    edge = Edge(replicas=1, seconds=0.01, token_seconds=0.001)

    demand = planned(edge=edge).gateway.demand

    assert demand.seconds == pytest.approx(0.01 + 0.001 * (0.3 * 20 + 0.7 * 100))
    assert planned(edge=edge, rate=100).gateway.short


def test_every_specialist_that_is_known_has_its_point() -> None:
    """Where machines have prices."""
    assert [of.model for of in planned().points] == ["sql", "tools"]
    assert planned((replace(LARGE, per_hour=0.0), SQL)).points == ()


def test_people_see_replicas_costs_and_points() -> None:
    """And by which formula, from what."""
    shown = told(planned(), "EUR", 10.0)

    assert "At the peak 10 requests per second: general 70 %, sql 30 %" in shown
    assert "sql pays from" in shown
    assert "EUR" in shown
    assert "M/M/c" in shown
    assert "Measured: a test." in shown
    lines = shown.split("\n")
    names = [line.split("  ")[0] for line in lines[2:] if line and not line.startswith("-")][:7]
    assert names == [
        *("deployment", "gateway", "large", "sql", "tools", "all models", "generalist alone")
    ]


def test_a_token_costs_more_where_machines_idle() -> None:
    """The peak decides how many there are, the average how many requests share them."""

    def per_thousand(mean: float) -> float:
        line = next(of for of in told(planned(), "EUR", mean).split("\n") if "routed: " in of)
        return float(line.split("per hour, ")[1].split(" ")[0])

    assert per_thousand(2.0) == pytest.approx(5 * per_thousand(10.0), rel=0.01)


def test_without_prices_there_are_no_costs() -> None:
    """And it says why."""
    free = tuple(replace(of, per_hour=0.0) for of in MACHINES)

    assert "No costs: the configuration has no price.machine_per_hour." in told(
        planned(free), "EUR", 10.0
    )


def test_too_few_allowed_replicas_are_told() -> None:
    """With what to raise."""
    few = (replace(LARGE, most=2), SQL)

    assert "large may have 2 replicas by its configuration and needs" in told(
        planned(few), "EUR", 10.0
    )


def test_who_never_pays_is_told() -> None:
    """In plain words."""
    dear = (LARGE, replace(SQL, per_hour=100.0))

    assert "sql never costs less than the generalist" in told(planned(dear), "EUR", 10.0)


def test_nothing_is_known_of_some() -> None:
    """It names the model."""
    with pytest.raises(PlanError, match="nothing is known of what large takes"):
        plan(
            {"law": 1.0}, MACHINES, EDGE, (Measured({}, {("", "sql"): WORK[("", "sql")]}), Limits())
        )
