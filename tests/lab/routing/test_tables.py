"""Tables: what is shown, and what cannot break them."""

import pytest

from lab.routing import tables
from lab.routing.evaluate import evaluate
from tests.lab.routing.scripted import FEASIBLE, INFEASIBLE, ROWS, STRANGERS, Scripted


@pytest.fixture
def figures():
    return evaluate(Scripted(), [*ROWS, *STRANGERS])


def test_figures_stand_with_their_intervals(figures):
    """Only shares of rows have one."""
    lines = tables.figures(figures).markdown().splitlines()
    assert "| accuracy | 0.5714 | 0.2505 to 0.8418 |" in lines
    assert any(line.startswith("| ece | ") and line.endswith(" |  |") for line in lines)


def test_each_domain_has_a_line(figures):
    """With precision, recall and where its rows went."""
    found = {cells[0]: cells[1:] for cells in tables.domains(figures).rows}
    assert found["sql"] == (
        *("2", "0.4000", "1.0000", "0.3424 to 1.0000", "0.5714", "0.5000", "0.0000"),
    )


def test_each_label_of_strangers_has_a_line(figures):
    """With the specialist that got most of them."""
    found = {cells[0]: cells for cells in tables.outside(figures).rows}
    assert found["law"] == ("law", "2", "0.5000", "0.0126 to 0.9874", "sql")


def test_each_source_has_a_line(figures):
    """With the share that went where it belongs."""
    assert ("b", "general", "1", "1.0000") in tables.sources(figures).rows


def test_confusions_and_mistakes_are_shown(figures):
    """The pair that comes most often, and the most confident mistake, come first."""
    assert tables.confusions(figures).rows == (("general", "sql", "3"),)
    assert tables.mistakes(figures).rows[0] == ("0.9500", "law", "sql", "sql", "0.95 -2")


def test_guarantees_stand_beside_what_their_thresholds_do(figures):
    """At 0.8 two of the seven rows are routed, one of them wrongly; the infeasible routes none."""
    feasible, infeasible = tables.guarantees([FEASIBLE, INFEASIBLE], figures).rows
    assert feasible == ("0.2", "0.05", "misroute", "28.6%", "50.00%", FEASIBLE.sentence())
    assert infeasible[3:] == ("nothing", "-", "infeasible: too few rows.")
