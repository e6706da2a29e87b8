"""What was measured, grouped and added up."""

import json

import pytest

from loadtests.traffic.measurements import Measurements
from loadtests.traffic.result import RequestResult


def answer(outcome="answered", why="", model="sql", first=0.2) -> RequestResult:
    usage = {"completion_tokens": 4.0, "engine_seconds": 0.5}
    return RequestResult(outcome, why, first, 1.0, (0.1, 0.3), 0.01, model, usage)


def test_a_request_counts_in_each_of_its_groups() -> None:
    """All, domain, model, route, reader, third."""
    measured = Measurements()

    measured.add(answer(), "sql", "patient", 1)
    measured.add(answer(model="generalist"), "sql", "slow", 3)

    assert measured.of().count == 2
    assert measured.of("domain", "sql").count == 2
    assert {name: of.count for name, of in measured.groups("model").items()} == {
        "generalist": 1,
        "sql": 1,
    }
    assert list(measured.groups("route")) == ["sql generalist", "sql sql"]
    assert list(measured.groups("reader")) == ["patient", "slow"]
    assert list(measured.groups("third")) == ["1", "3"]


def test_times_of_a_slow_reader_are_not_the_servers() -> None:
    """They are counted nowhere."""
    measured = Measurements()

    measured.add(answer(), "sql", "slow", 1)

    assert measured.of().times["first"].count == measured.of().times["gap"].count == 0


def test_times_of_what_was_not_answered_do_not_count() -> None:
    """A quick refusal must not make a server look quick."""
    measured = Measurements()

    measured.add(answer("refused", "HTTP 429: busy", None, None), "sql", "patient", 1)

    assert measured.of().times["answer"].count == 0
    assert measured.of().reasons == {"HTTP 429: busy": 1}


def test_shares_are_of_all_requests() -> None:
    """Also of none."""
    measured = Measurements()
    for outcome in ("answered", "failed", "unsent", "refused"):
        measured.add(answer(outcome), "sql", "patient", 1)

    assert measured.of().share("failed", "unsent") == 0.5
    assert Measurements().of().share("failed") == 0.0


def test_what_answers_say_has_a_mean_over_those_that_say_it() -> None:
    """None where nobody does."""
    measured = Measurements()
    measured.add(answer(), "sql", "patient", 1)
    measured.add(RequestResult("failed", "x"), "sql", "patient", 1)

    assert measured.of().mean_usage("engine_seconds") == 0.5
    assert measured.of().mean_usage("cost") is None


def test_ledgers_of_several_processes_add_up() -> None:
    """Over JSON, as a worker sends them."""
    whole, master = Measurements(), Measurements()
    for worker in range(3):
        own = Measurements()
        for measured in (own, whole):
            for third in (1, 2, 3):
                measured.add(answer(first=0.1 * (worker + 1)), "sql", "patient", third)
            measured.add(answer("refused", "busy"), "tools", "disconnecting", 2)
        master.merge(json.loads(json.dumps(own.fields())))

    assert master.fields().keys() == whole.fields().keys()
    assert master.of().count == 12
    assert master.of().reasons == {"busy": 3}
    assert master.of().mean_usage("engine_seconds") == pytest.approx(0.5)
    for share in (0.1, 0.5, 0.9):
        mine, its = (of.of().times["first"].quantile(share) for of in (master, whole))
        assert mine == its
