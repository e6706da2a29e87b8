"""The choice behind a threshold: its points, and the warning where little is routed."""

import re
from dataclasses import replace

import pytest

from lab.routing.evaluate import evaluate
from lab.routing.rows import Row
from lab.routing.tradeoff import LIMITS, tradeoff
from tests.lab.routing.scripted import Scripted

THRESHOLDS = {**dict.fromkeys(LIMITS, 0.6), 0.01: 0.9, 0.2: 0.5}


def rows(sure, unsure, wrong):
    """Rows of `sql` above 0.9 and of 0.55, and general rows that are taken for `sql` at 0.55."""
    return [
        *(Row(f"0.93 -1 {n}", "sql", f"a{n}") for n in range(sure)),
        *(Row(f"0.55 -1 {n}", "sql", f"b{n}") for n in range(unsure)),
        *(Row(f"0.55 -1 {n}", "general", f"c{n}") for n in range(wrong)),
    ]


class Strict(Scripted):
    """Routes above its own threshold alone, as an artifact does."""

    def scores(self, queries):
        return [replace(found, min_confidence=0.9) for found in super().scores(queries)]


def test_there_is_a_point_for_each_limit_and_one_is_chosen():
    """From the strictest on; a limit of one's own stands among them."""
    found = tradeoff({**THRESHOLDS, 0.03: 0.9}, evaluate(Strict(), rows(60, 20, 20)), 0.03)
    assert [point.limit for point in found.points] == sorted({*LIMITS, 0.03})
    chosen = [line[-1] for line in found.table().rows]
    assert chosen.count("chosen") == 1
    assert chosen[[point.limit for point in found.points].index(0.03)] == "chosen"


def test_figures_of_a_point_are_those_of_test_rows():
    """Routed of all rows, misrouted of these, and requests of a thousand that go wrong."""
    found = tradeoff(THRESHOLDS, evaluate(Strict(), rows(60, 20, 20)), 0.01)
    strict = next(point for point in found.points if point.limit == 0.01)
    loose = next(point for point in found.points if point.limit == 0.2)
    assert (strict.routed, strict.misrouted, strict.wrong_per_thousand) == (0.6, 0.0, 0.0)
    assert (loose.routed, loose.misrouted) == (1.0, 0.2)
    assert loose.wrong_per_thousand == pytest.approx(200)


def test_where_enough_is_routed_there_is_no_warning():
    """Half of the specialists' rows is enough."""
    found = tradeoff(THRESHOLDS, evaluate(Strict(), rows(60, 20, 20)), 0.01)
    assert found.warning == ""
    assert "Warning" not in found.text()


def test_where_little_is_routed_the_warning_says_what_helps():
    """The share, the domains that are confused most, and the next limit that routes more."""
    found = tradeoff(THRESHOLDS, evaluate(Strict(), rows(10, 70, 20)), 0.01)
    few, confused, looser = re.split(r"(?<=\.) ", found.warning)
    assert "12%" in few
    assert re.search(r"general and sql .*\b20 of 20\b", confused)
    assert re.search(r"--max-misrouted 0\.2 .*100%.*10%", looser)
    assert f"Warning: {found.warning}" in found.text()


def test_a_limit_that_routes_no_more_is_not_advised():
    """The warning then names the confusion alone."""
    found = tradeoff(THRESHOLDS, evaluate(Strict(), rows(10, 70, 20)), 0.2)
    assert "--max-misrouted" not in found.warning


def test_rows_of_no_specialist_need_no_warning():
    """There is nothing that could be routed rightly."""
    assert tradeoff(THRESHOLDS, evaluate(Strict(), rows(0, 0, 20)), 0.01).warning == ""


def test_a_training_reports_its_choice(trained):
    """The limit is that of the settings, and the report has the table."""
    found = trained[1].tradeoff
    assert found.chosen == 0.01
    own = next(point for point in found.points if point.limit == found.chosen)
    assert own.threshold == trained[1].trained.min_confidence
    assert "## Routed against misrouted" in trained[1].markdown()
