"""A run in figures."""

import json

import pytest

from loadtests.traffic.answer import Answer
from loadtests.traffic.errors import TrafficError
from loadtests.traffic.ledger import Ledger
from loadtests.traffic.report import beside, read_report, report, terminal, write_report
from loadtests.traffic.scenario import read_scenario
from loadtests.traffic.slo import Check


def fields(models: tuple[str, ...] = ("sql", "generalist"), late: float = 0.0):
    ledger = Ledger()
    for model in models:
        usage = {"completion_tokens": 20.0, "engine_seconds": 0.5, "cost": 1e-6}
        ledger.add(
            Answer("answered", "", 0.5, 2.0, (0.1,), late, model, usage), "sql", "patient", 1
        )
    ledger.add(Answer("failed", "HTTP 500: ill"), "sql", "patient", 1)
    return report(read_scenario("mixed"), 10.0, ledger, [Check("failed_share", 0.0, 1 / 3)])


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

    with pytest.raises(TrafficError, match=r"x\.json: "):
        read_report(path)


def test_people_see_models_reasons_and_targets() -> None:
    """What went wrong and what was missed in words."""
    shown = terminal(fields())

    assert "| sql" in shown
    assert "| generalist" in shown
    assert "1 x HTTP 500: ill" in shown
    assert "MISSED failed_share = 0.3333 (at most 0)" in shown
    assert "late" not in shown


def test_a_late_load_generator_is_told() -> None:
    """Its times would be taken for the server's."""
    assert "The load generator was late: 1 % of the requests were sent 0.50 s" in terminal(
        fields(late=0.5)
    )


def test_a_bound_that_was_reached_is_told() -> None:
    """Requests that were not made are in no rate."""
    ledger = Ledger()
    for _ in range(3):
        ledger.add(Answer("answered"), "sql", "patient", 1)

    made = report(read_scenario("mixed", {"max_requests": 3}), 10.0, ledger, [])

    assert made["notes"] == [
        "No more than 3 requests were made: max_requests of the scenario. Rates over the whole "
        "time are too low."
    ]


def test_two_runs_stand_side_by_side() -> None:
    """A column each, as a table in Markdown."""
    table = beside({"auto": fields(), "generalist": fields(("generalist",))}).split("\n")

    assert [cell.strip() for cell in table[0].split("|")[1:-1]] == ["", "auto", "generalist"]
    assert {len(line) for line in table} == {len(table[0])}
    row = next(line for line in table if "answers per second" in line)
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["0.2", "0.1"]
