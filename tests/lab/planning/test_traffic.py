"""Which requests come to which model."""

import pytest

from lab.planning.measured import ANY, Measured, Work, together
from lab.planning.traffic import PlanError, alone, parts, shares_of
from tests.lab.planning.machines import LARGE, MACHINES, MEASURED, WORK


def test_the_mix_is_that_of_the_traffic() -> None:
    """By domain."""
    assert MEASURED.mix == {"sql": pytest.approx(0.3), "general": pytest.approx(0.7)}
    assert Measured().mix == {}


def test_requests_go_where_they_were_seen_to_go() -> None:
    """What the router keeps from a specialist goes to the generalist."""
    seen = Measured({("sql", "sql"): 3, ("sql", "large"): 1}, WORK)

    assert shares_of("sql", MACHINES, seen) == {"sql": 0.75, "large": 0.25}


def test_a_model_that_is_no_longer_there_is_asked_nothing() -> None:
    """The others share its part."""
    seen = Measured({("sql", "old"): 3, ("sql", "large"): 1}, WORK)

    assert shares_of("sql", MACHINES, seen) == {"large": 1.0}


@pytest.mark.parametrize(("domain", "model"), [("sql", "sql"), ("law", "large")])
def test_a_domain_that_was_not_seen_goes_to_its_specialist(domain, model) -> None:
    """Or to the generalist, where it has none."""
    assert shares_of(domain, MACHINES, Measured()) == {model: 1.0}


def test_a_request_takes_what_it_takes_in_its_domain() -> None:
    """As far as that is known; else what the model takes anywhere."""
    known = Measured({}, WORK | {("sql", "large"): Work(1, 9.0)})

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
    with pytest.raises(PlanError, match=r"what sql takes .* --seconds sql=SECONDS"):
        parts({"sql": 2.0}, MACHINES, Measured())


def test_measurements_add_up() -> None:
    """Requests, seconds and tokens of the same kind."""
    first = Measured({("sql", "sql"): 1}, {(ANY, "sql"): Work(1, 1.0, 10)}, ("a",))
    second = Measured({("sql", "sql"): 2}, {(ANY, "sql"): Work(3, 5.0, 50)}, ("b",))

    both = together([first, second])

    assert both.traffic == {("sql", "sql"): 3}
    assert both.work == {(ANY, "sql"): Work(4, 6.0, 60)}
    assert both.sources == ("a", "b")


def test_work_is_of_some_requests() -> None:
    """Of none there is no mean."""
    with pytest.raises(ValueError, match="no work"):
        Work(0, 1.0)
