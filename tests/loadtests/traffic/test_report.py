"""The figures of a run."""

import json

import pytest

from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.measurements import Measurements
from loadtests.traffic.report import (
    build_report,
    comparison_table,
    format_terminal,
    read_report,
    write_report,
)
from loadtests.traffic.result import RequestResult
from loadtests.traffic.scenario import read_scenario
from loadtests.traffic.slo import SloResult


def fields(models: tuple[str, ...] = ("sql", "generalist"), late: float = 0.0):
    measured = Measurements()
    for model in models:
        usage = {"completion_tokens": 20.0, "engine_seconds": 0.5, "cost": 1e-6}
        measured.add(
            RequestResult("answered", "", 0.5, 2.0, (0.1,), late, model, usage), "sql", "patient", 1
        )
    measured.add(RequestResult("failed", "HTTP 500: ill"), "sql", "patient", 1)
    return build_report(
        read_scenario("mixed"), 10.0, measured, [SloResult("failed_share", 0.0, 1 / 3)]
    )


def test_a_report_has_rates_times_and_what_answers_took() -> None:
    """Over all, and by model and route."""
    made = fields()

    assert made["all"]["outcomes"]["answered"] == 2
    assert made["all"]["per_second"] == pytest.approx(0.3)
    assert made["all"]["tokens_per_second"] == pytest.approx(4.0)
    assert made["by_model"]["sql"]["seconds"]["first"]["p95"] == pytest.approx(0.5, rel=0.01)
    assert made["by_model"]["sql"]["per_answer"]["engine_seconds"] == 0.5
    assert list(made["by_route"]) == ["sql generalist", "sql sql"]


def test_a_report_is_written_and_read(tmp_path) -> None:
    """As JSON."""
    made = fields()

    write_report(tmp_path / "new" / "report.json", made)

    assert read_report(tmp_path / "new" / "report.json") == json.loads(json.dumps(made))


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}'], ids=["no-json", "list", "other"])
def test_another_file_is_no_report(tmp_path, text) -> None:
    """It is named."""
    path = tmp_path / "x.json"
    path.write_text(text)

    with pytest.raises(LoadTestError, match=r"x\.json: "):
        read_report(path)


def test_people_see_models_reasons_and_targets() -> None:
    """With the reasons of failures and the objectives."""
    shown = format_terminal(fields())

    assert "| sql" in shown
    assert "| generalist" in shown
    assert "HTTP 500: ill" in shown
    assert "failed_share" in shown


def test_a_load_generator_that_falls_behind_is_reported() -> None:
    """Its delay would be taken for the server's; without one there is no note."""
    [note] = fields(late=0.5)["notes"]

    assert "0.50 s" in note
    assert note in format_terminal(fields(late=0.5))
    assert fields()["notes"] == []


def test_a_limit_that_was_reached_is_reported() -> None:
    """Requests that were not sent are in no rate."""
    measured = Measurements()
    for _ in range(3):
        measured.add(RequestResult("answered"), "sql", "patient", 1)

    made = build_report(read_scenario("mixed", {"max_requests": 3}), 10.0, measured, [])

    [note] = made["notes"]
    assert "max_requests" in note


def test_two_runs_stand_side_by_side() -> None:
    """A column each, as a table in Markdown."""
    table = comparison_table({"auto": fields(), "generalist": fields(("generalist",))}).split("\n")

    assert [cell.strip() for cell in table[0].split("|")[1:-1]] == ["", "auto", "generalist"]
    assert {len(line) for line in table} == {len(table[0])}
    row = next(line for line in table if "answers per second" in line)
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["0.2", "0.1"]
