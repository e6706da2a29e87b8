"""Evaluation: figures worked out by hand."""

import math

import pytest

from deployments.protocol import Message
from lab.routing.dataset import LabelledQuery
from lab.routing.evaluate import evaluate
from lab.routing.rows import Row
from lab.routing.values import Mistake
from router.policy import Thresholds
from router.types import Query, Scores
from tests.lab.routing.scripted import ROWS, STRANGERS, Scripted


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


def test_shares_have_wilson_intervals(figures):
    """Three of four, and one of two: known values of the formula."""
    accuracy, recall = figures.intervals["accuracy"], figures.domains[0].recall_interval
    assert (accuracy.low, accuracy.high) == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert (recall.low, recall.high) == pytest.approx((0.0945, 0.9055), abs=1e-4)
    assert set(figures.intervals) == {"accuracy", "routed", "misrouted", "missed"}


def test_the_policy_is_measured(figures):
    """Half of the rows are routed, half of those wrongly; one of two sql rows is missed."""
    assert (figures.routed, figures.misrouted, figures.missed) == (0.5, 0.5, 0.5)


def test_each_domain_shows_where_its_rows_went(figures):
    """One of two sql rows was served; one of two general rows went to a specialist."""
    went = {found.domain: (found.rows, found.served, found.elsewhere) for found in figures.domains}
    assert went == {"sql": (2, 0.5, 0.0), "general": (2, 0.5, 0.5)}


def test_the_ood_score_is_measured(figures):
    """Of the four pairs of an sql row and a general one, three are in order."""
    assert figures.ood.auroc == 0.75
    assert (figures.ood.declined, figures.ood.lost) == (0.5, 0.5)
    assert (figures.ood.fpr95, figures.ood.recall_at_5) == (0.5, 0.5)


def test_each_source_is_shown_with_its_domain(figures):
    """A source with two domains has two lines, each with the share that went right."""
    found = {(line.source, line.domain): (line.rows, line.right) for line in figures.sources}
    assert found == {("a", "sql"): (2, 0.5), ("a", "general"): (1, 0.0), ("b", "general"): (1, 1.0)}


def test_first_choices_are_counted_by_domain(figures):
    """Rows of the matrix are labels, columns first choices."""
    assert figures.confusion.labels == ("general", "sql")
    assert figures.confusion.counts == ((1, 1), (0, 2))
    assert figures.confusion.pairs() == [("general", "sql", 1)]


def test_risk_is_that_of_the_rows_that_could_be_routed(figures):
    """Strictest first: 0.9 is right, 0.7 is not; the row out of distribution is never routed."""
    points = [(p.threshold, p.coverage, p.risk) for p in figures.risk_coverage.points]
    assert points == [(0.9, 0.25, 0.0), (0.7, 0.5, 0.5)]
    assert figures.risk_coverage.area == 0.25


def test_mistakes_are_rows_that_went_wrong_by_a_wrong_first_choice():
    """The most confident first; a right choice that went unheard is none, nor a lucky wrong one."""
    lucky = Row("0.6 1", "general", "8")
    found = evaluate(Scripted(), [*ROWS, lucky, Row("0.75 -1 \n" + "x " * 300, "general", "9")])
    assert found.mistakes[0].text == ("0.75 -1 " + "x " * 300)[:200]
    assert found.mistakes[1:] == (Mistake("0.7 -1", "general", "sql", "sql", 0.7),)


def test_at_most_twenty_mistakes_are_kept():
    """A report is not a copy of the data."""
    rows = [Row(f"0.7 -1 {number}", "general", str(number)) for number in range(30)]
    assert len(evaluate(Scripted(), rows).mistakes) == 20


def test_domains_that_the_classifier_does_not_know_are_general():
    """They must fall back; each shows how many did not, and who got those."""
    found = evaluate(Scripted(), [*ROWS, *STRANGERS])
    outside = {line.domain: (line.rows, line.routed, line.most) for line in found.outside}
    assert outside == {"general": (2, 0.5, "sql"), "law": (2, 0.5, "sql"), "art": (1, 1.0, "sql")}
    assert found.accuracy == pytest.approx(4 / 7)


def test_what_got_through_has_an_exact_interval():
    """Clopper and Pearson: with none of ten the upper end is 1 - 0.025 ** (1 / 10)."""
    rows = [Row(f"0.1 -1 {number}", "law", str(number)) for number in range(10)]
    [line] = evaluate(Scripted(), rows).outside
    assert (line.routed, line.most) == (0.0, None)
    assert (line.interval.low, line.interval.high) == pytest.approx((0.0, 1 - 0.025**0.1))


def test_a_classifier_without_general_is_measured_on_its_own_domains():
    """Its first choice can be right on those alone; whatever else counts for the policy."""
    rows = [Row("0.9 -1", "sql", "1"), Row("0.2 -1", "tools", "2"), Row("0.9 -1", "general", "3")]
    found = evaluate(Scripted("tools", "sql"), rows)
    assert (found.accuracy, found.macro_f1, found.ece) == (1.0, 1.0, pytest.approx(0.15))
    assert (found.routed, found.misrouted) == (1.0, pytest.approx(1 / 3))
    assert [line.domain for line in found.domains] == ["tools", "sql"]
    assert found.confusion.counts == ((1, 0, 0), (0, 1, 0), (0, 1, 0))


def test_rows_without_any_known_domain_have_only_the_figures_of_strangers():
    """What cannot be measured is not a number, and is left out of the figures."""
    found = evaluate(Scripted("tools", "sql"), STRANGERS)
    assert math.isnan(found.accuracy)
    assert math.isnan(found.missed)
    assert set(found.metrics()) == {"routed", "misrouted", "risk_area"}
    assert found.domains == ()


def test_thresholds_of_the_operator_change_the_policy_and_not_the_first_choice():
    """A stricter confidence routes less."""
    strict = evaluate(Scripted(), ROWS, Thresholds(min_confidence=0.85))
    assert (strict.routed, strict.misrouted, strict.accuracy) == (0.25, 0.0, 0.75)
    assert len(strict.risk_coverage.points) == 2


def test_rows_of_one_kind_have_no_scope_figures():
    """Without general rows nothing can be told apart from the niches."""
    found = evaluate(Scripted(), ROWS[:2])
    assert found.ood is None
    assert "ood_auroc" not in found.metrics()


def test_nothing_routed_has_no_share_of_misroutes():
    """When no row is routed there is nothing that could be wrong."""
    found = evaluate(Scripted(), ROWS, Thresholds(min_confidence=1.0))
    assert math.isnan(found.misrouted)
    assert "misrouted" not in found.metrics()


def test_no_rows_are_refused():
    """There is nothing to measure."""
    with pytest.raises(ValueError, match="rows"):
        evaluate(Scripted(), [])


def test_the_classifier_is_asked_the_whole_query():
    """A row that keeps its conversation is asked with it."""
    asked = []

    class Listening(Scripted):
        def scores(self, queries):
            asked.extend(queries)
            return [Scores({"general": 0.0, "sql": 1.0}, -1.0, 0.0) for _ in queries]

    query = Query(messages=(Message("system", "s"), Message("user", "u")))
    evaluate(Listening(), [LabelledQuery(query, "sql", "1"), Row("x", "sql", "2")])
    assert asked == [query, Query(text="x")]
