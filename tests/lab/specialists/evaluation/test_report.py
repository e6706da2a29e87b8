"""What a run writes: for people, for programs, and as a picture."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lab.specialists.evaluation.matrix import Cost, Verdict
from lab.specialists.evaluation.plan import make_plan
from lab.specialists.evaluation.report import sentences, tables, write_report
from lab.specialists.evaluation.run import Report, run
from lab.statistics.interval import Interval
from tests.lab.specialists.evaluation.toy_run import adapters, settings, toy_config


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("run")
    found = adapters(folder)
    return run(make_plan(toy_config(folder, rows=4), found), settings(folder))


def test_the_three_files_are_written(report: Report, tmp_path: Path) -> None:
    """Markdown that shows the picture, figures as JSON, and a picture of some size."""
    markdown, data, picture = write_report(tmp_path, report, ["a machine", "4 rows"])

    said = markdown.read_text()
    assert said.startswith("# Niche matrix\n\n- a machine\n- 4 rows\n- two: no adapter in ")
    assert "](matrix.png)" in said
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert json.loads(data.read_text())["verdicts"][0]["column"] == "one"


def test_the_figures_hold_no_value_that_json_does_not_know(report: Report, tmp_path: Path) -> None:
    """A generalist has no answers elsewhere, hence no rates there."""
    _, data, _ = write_report(tmp_path, report, [])

    def refuse(name: str) -> None:
        raise AssertionError(name)

    figures = json.loads(data.read_text(), parse_constant=refuse)
    assert figures["degeneration"][1]["elsewhere"] == {"answers": 0}


def test_a_row_per_model_and_a_column_per_set_and_measure(report: Report) -> None:
    """A further measure and a further set are columns too."""
    quality = tables(report)[0]

    assert quality.titles == ("model", "one", "one (mentions)", "two", "two/more")
    assert [row[0] for row in quality.rows] == ["one", "babbler zero-shot", "babbler few-shot"]
    assert quality.rows[0][1] == "1.000 [0.510, 1.000]"


def test_costs_stand_once_for_a_set_however_many_measures_it_has(report: Report) -> None:
    """They are of the same answers."""
    costs = next(table for table in tables(report) if table.title == "Cost of a request")

    assert costs.titles == ("model", "one", "two", "two/more")


def test_a_markdown_table_has_as_many_cells_in_every_line(report: Report) -> None:
    """Or it would not be shown as one."""
    for table in tables(report):
        lines = [line for line in table.markdown().split("\n") if line.startswith("|")]
        assert len({line.count("|") for line in lines}) == 1


def test_every_niche_has_a_sentence_won_or_not(report: Report) -> None:
    """A niche that is not won, or not cheaply, is said plainly."""
    dear = Cost("babbler few-shot", 0.5, 1.5)
    cheap = Cost("babbler zero-shot", 0.5, 0.5)
    lost = Verdict(
        "one", "one", "babbler few-shot", Interval(-0.2, -0.3, -0.1), "loses", dear, cheap
    )

    (said,) = sentences(replace(report.matrix, verdicts=(lost,)))

    assert said.startswith("one: one loses against babbler few-shot ")
    assert "-0.200 [-0.300, -0.100]" in said
    assert "not cheaper than babbler few-shot" in said


def test_the_index_is_said_in_words(report: Report) -> None:
    """With its interval."""
    found = replace(report.matrix, verdicts=(), dominance=Interval(0.9, 0.8, 0.95))

    (said,) = sentences(found)

    assert said.startswith("Diagonal dominance: 0.900 [0.800, 0.950] (1: ")


def test_without_a_specialist_there_is_no_table_of_verdicts(report: Report) -> None:
    """As when only ways of asking are compared."""
    alone = replace(report, matrix=replace(report.matrix, verdicts=()))

    assert "Specialists against the generalist" in [table.title for table in tables(report)]
    assert "Specialists against the generalist" not in [table.title for table in tables(alone)]


def test_a_terminals_columns_stand_below_each_other(report: Report) -> None:
    """Titles and cells begin at the same place."""
    _, titles, first, *_ = tables(report)[0].text().split("\n")

    assert titles.index("one (mentions)") == first.index("1.000", first.index("1.000 [") + 6 + 14)
