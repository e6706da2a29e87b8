"""Deployments for a traffic."""

from dataclasses import replace

import pytest

from lab.planning.fleet import Demand, Machine, alone, deployment, fleet, parts, shares_of
from lab.planning.measurements import ANY, Measurements, PlanError, Work, merged
from lab.planning.queue import Limits, replicas_needed
from tests.lab.planning.machines import LARGE, MACHINES, MEASURED, SQL, TOOLS, WORK

LIMITS = Limits()


def test_demand_is_weighed_by_rates() -> None:
    """Two kinds of requests make one line."""
    demand = Demand.of([(3.0, Work(1, 1.0, 10)), (1.0, Work(2, 10.0, 100))])

    assert (demand.rate, demand.seconds, demand.tokens) == (4.0, 2.0, 20.0)


def test_a_deployment_has_the_replicas_that_it_needs() -> None:
    """And tells how busy they are, how long requests wait, and what they could take."""
    found = deployment(SQL, Demand(4.0, 0.5, 20.0), LIMITS)

    assert found.replicas == replicas_needed(4.0, 0.5, LIMITS) == 4
    assert found.utilization == pytest.approx(0.5)
    assert 0 <= found.wait <= LIMITS.max_wait_seconds
    assert found.capacity is not None
    assert found.capacity > 4.0
    assert found.per_hour == 4.0


def test_what_stands_ready_stands_ready() -> None:
    """Also where nobody asks."""
    found = deployment(Machine("x", "x", 1.0, min_replicas=3), Demand(0.0, 0.0, 0.0), LIMITS)

    assert (found.replicas, found.utilization, found.capacity, found.per_hour) == (
        3,
        0.0,
        None,
        3.0,
    )


def test_another_s_machine_has_no_replicas_here() -> None:
    """However much is asked of it, and nobody calls them too few."""
    found = deployment(Machine("x", "x", 0.0, elsewhere=True), Demand(4.0, 0.5, 20.0), LIMITS)

    assert (found.replicas, found.per_hour, found.demand.rate) == (0, 0.0, 4.0)
    assert not found.short


def test_too_few_allowed_replicas_are_noticed() -> None:
    """The plan goes on with what is needed."""
    few = Machine("x", "x", 1.0, max_replicas=2)

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


def test_models_of_a_pool_share_its_replicas() -> None:
    """One deployment for the load of all, with their names."""
    machines = (LARGE, replace(SQL, pool="base"), replace(TOOLS, pool="base"))
    parts = {"sql": [(1.0, Work(1, 0.5, 20))], "tools": [(1.0, Work(1, 0.5, 40))]}

    found = fleet(machines, parts, LIMITS).deployments

    assert [(of.machine.deployment, of.models) for of in found] == [
        ("large", ()),
        ("base", ("sql", "tools")),
    ]
    assert found[1].demand == Demand(2.0, 0.5, 30.0)
    assert found[1].replicas == replicas_needed(2.0, 0.5, LIMITS)


def test_a_pool_and_a_model_may_have_one_name() -> None:
    """They are two deployments."""
    found = fleet((LARGE, SQL, replace(TOOLS, pool="sql")), {}, LIMITS)

    assert [of.models for of in found.deployments] == [(), (), ("tools",)]


def test_a_more_expensive_machine_costs_more() -> None:
    """Per replica."""
    assert deployment(LARGE, Demand(0.0, 0.0, 0.0), LIMITS).per_hour == 4.0


def test_the_mix_is_that_of_the_traffic() -> None:
    """By domain."""
    assert MEASURED.mix == {"sql": pytest.approx(0.3), "general": pytest.approx(0.7)}
    assert Measurements().mix == {}


def test_requests_go_where_they_were_seen_to_go() -> None:
    """What the router keeps from a specialist goes to the generalist."""
    seen = Measurements({("sql", "sql"): 3, ("sql", "large"): 1}, WORK)

    assert shares_of("sql", MACHINES, seen) == {"sql": 0.75, "large": 0.25}


def test_a_model_that_is_no_longer_there_is_asked_nothing() -> None:
    """The others share its part."""
    seen = Measurements({("sql", "old"): 3, ("sql", "large"): 1}, WORK)

    assert shares_of("sql", MACHINES, seen) == {"large": 1.0}


@pytest.mark.parametrize(("domain", "model"), [("sql", "sql"), ("law", "large")])
def test_a_domain_that_was_not_seen_goes_to_its_specialist(domain, model) -> None:
    """Or to the generalist, where it has none."""
    assert shares_of(domain, MACHINES, Measurements()) == {model: 1.0}


def test_a_request_takes_what_it_takes_in_its_domain() -> None:
    """As far as that is known; else what the model takes anywhere."""
    known = Measurements({}, WORK | {("sql", "large"): Work(1, 9.0)})

    found = alone({"sql": 1.0, "general": 2.0}, LARGE, known)

    assert [(rate, work.seconds_each) for rate, work in found["large"]] == [(1.0, 9.0), (2.0, 2.0)]


def test_routed_requests_are_dealt_out() -> None:
    """Every model is there, also one that gets none."""
    found = parts({"sql": 2.0, "general": 1.0}, MACHINES, MEASURED)

    assert {name: [rate for rate, _ in of] for name, of in found.items()} == {
        "large": [1.0],
        "sql": [2.0],
        "tools": [],
    }


def test_an_unknown_model_is_named_with_the_remedy() -> None:
    """It is not guessed."""
    with pytest.raises(PlanError, match=r"sql.*--seconds sql="):
        parts({"sql": 2.0}, MACHINES, Measurements())


def test_measurements_add_up() -> None:
    """Requests, seconds and tokens of the same kind."""
    first = Measurements({("sql", "sql"): 1}, {(ANY, "sql"): Work(1, 1.0, 10)}, ("a",))
    second = Measurements({("sql", "sql"): 2}, {(ANY, "sql"): Work(3, 5.0, 50)}, ("b",))

    both = merged([first, second])

    assert both.traffic == {("sql", "sql"): 3}
    assert both.work == {(ANY, "sql"): Work(4, 6.0, 60)}
    assert both.sources == ("a", "b")


def test_work_is_of_some_requests() -> None:
    """Of none there is no mean."""
    with pytest.raises(ValueError, match="invalid work"):
        Work(0, 1.0)
