"""Measurements: what is read from files and metrics, and values given by hand."""

import json

import pytest
from prometheus_client import CollectorRegistry

from gateway.metrics import Metrics, exposition
from lab.comparison.outcomes import Outcome, Timing, Usage
from lab.planning.errors import PlanError
from lab.planning.measurements import (
    ANY,
    Measurements,
    Work,
    from_load_test,
    from_metrics,
    from_outcomes,
    with_given_values,
)
from loadtests.traffic import measurements as loadtests
from loadtests.traffic.report import build_report
from loadtests.traffic.result import RequestResult
from loadtests.traffic.scenario import read_scenario
from tests.lab.planning.machines import MEASURED


def load_test(model: str = "auto") -> str:
    ledger = loadtests.Measurements()
    for own, count in (("sql", 3), ("generalist", 1)):
        usage = {"completion_tokens": 20.0, "engine_seconds": 0.5}
        for _ in range(count):
            answer = RequestResult("answered", first=0.1, seconds=1.0, model=own, usage=usage)
            ledger.add(answer, "sql", "patient", 1)
    ledger.add(RequestResult("refused", "busy"), "sql", "patient", 1)
    return json.dumps(build_report(read_scenario("mixed", {"model": model}), 10.0, ledger, []))


def outcome(arm: str, model: str, domain: str | None, error: str | None = None) -> str:
    usage = Usage(completion_tokens=20, engine_seconds=0.5)
    made = Outcome("r", arm, arm, "x", Timing(0.1, 1.0), usage, error, model=model, domain=domain)
    return json.dumps(made.as_json())


def test_a_load_test_tells_where_requests_go_and_what_they_take() -> None:
    """By domain and model; what was refused is not told."""
    found = from_load_test(load_test(), "report.json")

    assert found.traffic == {("sql", "sql"): 3.0, ("sql", "generalist"): 1.0}
    assert found.work[("sql", "sql")] == found.work[(ANY, "sql")] == Work(3.0, 1.5, 60.0)
    assert found.sources == ("report.json",)


def test_a_baseline_tells_nothing_of_the_traffic() -> None:
    """Its requests named their model."""
    found = from_load_test(load_test("generalist"), "report.json")

    assert found.traffic == {}
    assert (ANY, "generalist") in found.work


def test_a_comparison_tells_both_from_its_outcomes() -> None:
    """Traffic from the routed arm alone, work from all of them; failures tell nothing."""
    lines = [
        '{"margin": 0.02}',
        outcome("auto", "sql", "sql"),
        outcome("auto", "generalist", "general"),
        outcome("auto", "sql", "sql", error="HTTP 500"),
        outcome("generalist", "generalist", None),
    ]

    found = from_outcomes(lines, "outcomes.jsonl")

    assert found.traffic == {("sql", "sql"): 1.0, ("general", "generalist"): 1.0}
    assert found.work[(ANY, "generalist")] == Work(2.0, 1.0, 40.0)
    assert found.work[("general", "generalist")] == Work(1.0, 0.5, 20.0)


def test_a_gateway_tells_both_in_its_metrics() -> None:
    """Requests that named their model are no traffic to plan for, but their work counts."""
    metrics = Metrics(CollectorRegistry())
    for domain, model, reason, status in (
        ("sql", "sql", "routed", "2xx"),
        ("general", "generalist", "requested", "2xx"),
        ("general", "generalist", "general", "2xx"),
        ("general", "generalist", "general", "5xx"),
        ("none", "none", "none", "4xx"),
    ):
        metrics.requests.labels(domain, model, reason, status).inc(2)
    for model, seconds, tokens in (("sql", 1.0, 40), ("generalist", 8.0, 400)):
        metrics.engine_seconds.labels(model).inc(seconds)
        metrics.completion_tokens.labels(model).inc(tokens)
    text = exposition(metrics.registry, None, "")[0].decode()

    found = from_metrics(text, "http://x/metrics")

    assert found.traffic == {("sql", "sql"): 2.0, ("general", "generalist"): 4.0}
    assert found.work == {(ANY, "sql"): Work(2.0, 1.0, 40.0), (ANY, "generalist"): Work(4, 8, 400)}


NESTED = pytest.param("[" * 100_000, id="nested")
HUGE = pytest.param(
    json.dumps(
        {
            "row": 1,
            "model": "sql",
            "domain": "sql",
            "error": None,
            "arm": "auto",
            "usage": {"engine_seconds": 10**400, "completion_tokens": 1},
        }
    ),
    id="huge",
)


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"scenario": {"model": 3}}', NESTED])
def test_another_file_is_no_report(text) -> None:
    """It is named."""
    with pytest.raises(ValueError, match=r"x\.json"):
        from_load_test(text, "x.json")


@pytest.mark.parametrize("line", ["{", '{"row": 1}', "[]", NESTED, HUGE])
def test_another_file_has_no_outcomes(line) -> None:
    """It is named."""
    with pytest.raises(ValueError, match=r"x\.jsonl"):
        from_outcomes([line], "x.jsonl")


@pytest.mark.parametrize("text", ["up 1\n", "<html>"], ids=["other-metrics", "no-metrics"])
def test_another_page_has_no_metrics_of_a_gateway(text) -> None:
    """It is named."""
    with pytest.raises(ValueError, match=r"http://x: .*gateway"):
        from_metrics(text, "http://x")


def test_given_seconds_win_over_measured_ones() -> None:
    """In every domain; tokens stay as measured."""
    known = Measurements({}, {(ANY, "sql"): Work(10, 5.0, 200), ("sql", "sql"): Work(10, 8.0, 300)})

    found = with_given_values(known, {"sql": 0.25}, {}, {})

    assert found.work == {(ANY, "sql"): Work(1, 0.25, 20), ("sql", "sql"): Work(1, 0.25, 30)}


def test_a_speed_makes_seconds_of_tokens() -> None:
    """Of measured ones or given ones."""
    assert with_given_values(MEASURED, {}, {}, {"large": 1000}).work[(ANY, "large")] == Work(
        1, 0.1, 100
    )
    assert with_given_values(MEASURED, {}, {"new": 50}, {"new": 500}).work[(ANY, "new")] == Work(
        1, 0.1, 50
    )


def test_tokens_alone_change_tokens_alone() -> None:
    """The seconds stay."""
    assert with_given_values(MEASURED, {}, {"sql": 7}, {}).work[(ANY, "sql")] == Work(1, 0.5, 7)


@pytest.mark.parametrize(
    ("tokens", "speed", "words"),
    [({}, {"new": 10}, "--tokens new"), ({"new": 10}, {}, "--speed new")],
    ids=["no-tokens", "no-speed"],
)
def test_half_of_it_is_not_enough(tokens, speed, words) -> None:
    """It says what is missing."""
    with pytest.raises(PlanError, match=words):
        with_given_values(Measurements(), {}, tokens, speed)


def test_what_was_measured_otherwise_stays() -> None:
    """Traffic, sources and other models."""
    found = with_given_values(MEASURED, {"sql": 1.0}, {}, {})

    assert (found.traffic, found.sources) == (MEASURED.traffic, MEASURED.sources)
    assert found.work[(ANY, "large")] == MEASURED.work[(ANY, "large")]
