"""The whole plan, and its words."""

from dataclasses import replace

import pytest

from lab.planning.errors import PlanError
from lab.planning.measurements import Measurements
from lab.planning.plan import GatewayReplicas, Plan, format_plan, plan, rates_by_domain
from lab.planning.queue import Limits
from tests.lab.planning.machines import LARGE, MACHINES, MEASURED, SQL, TOOLS, WORK

EDGE = GatewayReplicas(replicas=2, cpus=0.1)


def planned(machines=MACHINES, rate: float = 10.0, edge: GatewayReplicas = EDGE) -> Plan:
    rates = rates_by_domain(rate, {}, MEASURED)
    return plan(rates, machines, edge, (MEASURED, Limits()))


def test_the_mix_is_given_or_measured() -> None:
    """Shares need not add up to one, and may be large."""
    assert rates_by_domain(10.0, {"sql": 1, "general": 3}, MEASURED) == {"general": 7.5, "sql": 2.5}
    assert rates_by_domain(10.0, {}, MEASURED) == {"general": 7.0, "sql": 3.0}
    assert rates_by_domain(10.0, {"general": 1e308}, MEASURED) == {"general": 10.0}


def test_without_a_mix_there_is_no_plan() -> None:
    """It says how to give one."""
    with pytest.raises(PlanError, match="--mix"):
        rates_by_domain(10.0, {}, Measurements())


def test_shares_too_large_to_add_up_are_refused() -> None:
    """Nobody can tell what part of the traffic each is."""
    with pytest.raises(PlanError, match="--mix"):
        rates_by_domain(10.0, {"sql": 1e308, "general": 1e308}, MEASURED)


def test_all_traffic_is_in_both_fleets() -> None:
    """Routed, and the generalist alone."""
    found = planned()

    assert found.routed.rate == found.alone.rate == found.gateway.demand.rate == 10.0
    assert [of.machine.name for of in found.alone.deployments] == ["large"]


def test_the_gateway_takes_time_per_request_and_per_token() -> None:
    """Of its CPU; and a plan tells if it has too few replicas."""
    edge = GatewayReplicas(replicas=1, seconds=0.01, token_seconds=0.001)

    demand = planned(edge=edge).gateway.demand

    assert demand.seconds == pytest.approx(0.01 + 0.001 * (0.3 * 20 + 0.7 * 100))
    assert planned(edge=edge, rate=100).gateway.short


def test_every_specialist_that_is_known_has_its_point() -> None:
    """Where machines have prices."""
    assert [of.model for of in planned().points] == ["sql", "tools"]
    assert planned((replace(LARGE, per_hour=0.0), SQL)).points == ()


def test_people_see_every_deployment_and_the_sums() -> None:
    """A line for each, below the traffic at the peak."""
    shown = format_plan(planned(), "EUR", 10.0)

    lines = shown.split("\n")
    names = [line.split("  ")[0] for line in lines[2:] if line and not line.startswith("-")][:7]
    assert names == [
        *("deployment", "gateway", "large", "sql", "tools", "all models", "generalist alone")
    ]
    for named in ("general 70 %", "sql 30 %", "EUR", "M/M/c", "a test"):
        assert named in shown


def test_people_see_who_shares_a_pool() -> None:
    """One line of the table, and one that names its models."""
    pool = (LARGE, replace(SQL, pool="base"), replace(TOOLS, pool="base"))

    lines = format_plan(planned(pool), "EUR", 10.0).split("\n")

    [row] = [line for line in lines if line.startswith("base  ")]
    [named] = [line for line in lines if line.startswith("base is")]
    assert ("sql" in row, "sql, tools" in named) == (False, True)


def test_a_token_costs_more_where_machines_idle() -> None:
    """The peak decides how many there are, the average how many requests share them."""

    def per_thousand(mean: float) -> float:
        line = next(
            of for of in format_plan(planned(), "EUR", mean).split("\n") if "routed: " in of
        )
        return float(line.split("per hour, ")[1].split(" ")[0])

    assert per_thousand(2.0) == pytest.approx(5 * per_thousand(10.0), rel=0.01)


def test_without_prices_the_key_for_them_is_named() -> None:
    """No cost is shown."""
    free = tuple(replace(of, per_hour=0.0) for of in MACHINES)

    shown = format_plan(planned(free), "EUR", 10.0)

    assert "price.machine_per_hour" in shown
    assert "EUR" not in shown


def test_too_few_allowed_replicas_name_what_to_raise() -> None:
    """The model, and the key of the configuration."""
    few = (replace(LARGE, max_replicas=2), SQL)

    [line] = [of for of in format_plan(planned(few), "EUR", 10.0).split("\n") if "autoscal" in of]

    assert line.startswith("large ")
    assert "autoscaling.max_replicas" in line


def test_a_specialist_that_never_pays_has_a_line() -> None:
    """With its name first."""
    dear = (LARGE, replace(SQL, per_hour=100.0))

    assert "\nsql never " in format_plan(planned(dear), "EUR", 10.0)


def test_a_model_without_measurements_is_named() -> None:
    """With the option that would do."""
    with pytest.raises(PlanError, match=r"large.*--seconds large="):
        plan(
            {"law": 1.0},
            MACHINES,
            EDGE,
            (Measurements({}, {("", "sql"): WORK[("", "sql")]}), Limits()),
        )
