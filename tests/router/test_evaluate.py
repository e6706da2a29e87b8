"""Evaluation: figures worked out by hand."""

import pytest

from router.evaluate import evaluate
from router.policy import Thresholds
from router.rows import Row
from router.types import Scores


class Scripted:
    """Reads its answer from the text: probability of `sql`, then the scope."""

    classes_ = ("general", "sql")

    def scores(self, queries):
        numbers = [tuple(map(float, query.text.split())) for query in queries]
        return [Scores({"general": 1 - p, "sql": p}, scope, 0.0) for p, scope in numbers]


ROWS = [
    Row("0.9 5", "sql", "1", source="a"),  # routed, right
    Row("0.8 -1", "sql", "2", source="a"),  # right domain, but out of scope
    Row("0.7 1", "general", "3", source="a"),  # routed, wrong
    Row("0.1 -2", "general", "4", source="b"),  # kept, right
]


@pytest.fixture
def figures():
    return evaluate(Scripted(), ROWS)


def test_the_first_choice_is_measured(figures):
    """Three of four first choices are right."""
    assert figures.accuracy == 0.75
    by_name = {found.domain: found for found in figures.domains}
    assert (by_name["sql"].precision, by_name["sql"].recall) == (pytest.approx(2 / 3), 1.0)
    assert (by_name["general"].precision, by_name["general"].recall) == (1.0, 0.5)
    assert figures.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2)


def test_the_policy_is_measured(figures):
    """Half of the rows are routed, half of those wrongly; one of two sql rows is missed."""
    assert (figures.routed, figures.misrouted, figures.missed) == (0.5, 0.5, 0.5)


def test_familiarity_is_measured(figures):
    """Of the four pairs of an sql row and a general one, three are in order."""
    assert figures.scope.auroc == 0.75
    assert (figures.scope.declined, figures.scope.lost) == (0.5, 0.5)
    assert figures.scope.fpr95 == 0.5


def test_each_source_is_shown_with_its_domain(figures):
    """A source with two domains has two lines, each with the share that went right."""
    found = {(line.source, line.domain): (line.rows, line.right) for line in figures.sources}
    assert found == {("a", "sql"): (2, 0.5), ("a", "general"): (1, 0.0), ("b", "general"): (1, 1.0)}


def test_thresholds_of_the_operator_change_the_policy_and_not_the_first_choice():
    """A stricter confidence routes less."""
    strict = evaluate(Scripted(), ROWS, Thresholds(min_confidence=0.85))
    assert (strict.routed, strict.misrouted, strict.accuracy) == (0.25, 0.0, 0.75)


def test_rows_of_one_kind_have_no_scope_figures():
    """Without general rows nothing can be told apart from the niches."""
    found = evaluate(Scripted(), ROWS[:2])
    assert found.scope is None
    assert "scope_auroc" not in found.metrics()


def test_nothing_routed_is_no_division_by_zero():
    """When no row is routed the share of misroutes is zero."""
    assert evaluate(Scripted(), ROWS, Thresholds(min_confidence=1.0)).misrouted == 0.0


def test_the_figures_are_rendered_as_tables(figures):
    """The Markdown has each figure, domain and source."""
    text = figures.markdown()
    assert "| accuracy | 0.7500 |" in text
    assert "| sql | 2 | 0.6667 | 1.0000 | 0.8000 |" in text
    assert "| b | general | 1 | 1.0000 |" in text
