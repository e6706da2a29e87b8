"""Deployments for a traffic."""

import pytest

from lab.planning.fleet import Demand, Machine, deployment, fleet
from lab.planning.measured import Work
from lab.planning.queue import Limits, replicas_needed
from tests.lab.planning.machines import LARGE, MACHINES, SQL

LIMITS = Limits()


def test_demand_is_weighed_by_rates() -> None:
    """Two kinds of requests make one line."""
    demand = Demand.of([(3.0, Work(1, 1.0, 10)), (1.0, Work(2, 10.0, 100))])

    assert (demand.rate, demand.seconds, demand.tokens) == (4.0, 2.0, 20.0)


def test_a_deployment_has_the_replicas_that_it_needs() -> None:
    """And tells how busy they are, how long requests wait, and what they could take."""
    found = deployment(SQL, Demand(4.0, 0.5, 20.0), LIMITS)

    assert found.replicas == replicas_needed(4.0, 0.5, LIMITS) == 4
    assert found.busy == pytest.approx(0.5)
    assert 0 <= found.wait <= LIMITS.wait_seconds
    assert found.takes is not None
    assert found.takes > 4.0
    assert found.per_hour == 4.0


def test_what_stands_ready_stands_ready() -> None:
    """Also where nobody asks."""
    found = deployment(Machine("x", "x", 1.0, least=3), Demand(0.0, 0.0, 0.0), LIMITS)

    assert (found.replicas, found.busy, found.takes, found.per_hour) == (3, 0.0, None, 3.0)


def test_too_few_allowed_replicas_are_noticed() -> None:
    """The plan goes on with what is needed."""
    few = Machine("x", "x", 1.0, most=2)

    assert deployment(few, Demand(4.0, 0.5, 1.0), LIMITS).short
    assert not deployment(few, Demand(0.1, 0.5, 1.0), LIMITS).short


def test_a_fleet_adds_up() -> None:
    """Costs, cores, GPUs, requests and tokens."""
    parts = {"large": [(1.0, Work(1, 2.0, 100))], "sql": [(4.0, Work(1, 0.5, 20))]}

    found = fleet(MACHINES, parts, LIMITS)

    replicas = {of.machine.name: of.replicas for of in found.deployments}
    assert replicas["tools"] == 1
    assert found.per_hour == 4.0 * replicas["large"] + replicas["sql"] + 1.0
    assert found.gpus == replicas["large"] + 0.5 * replicas["sql"] + 0.5
    assert found.cpus == 2 * replicas["large"] + replicas["sql"] + 1
    assert (found.rate, found.tokens_per_second) == (5.0, 180.0)


def test_a_dearer_machine_is_counted_as_such() -> None:
    """Per replica."""
    assert deployment(LARGE, Demand(0.0, 0.0, 0.0), LIMITS).per_hour == 4.0
