"""Figures by form: worked out on a classifier that looks for a word."""

import pytest

from lab.routing.by_form import figures_by_form, form_table
from lab.routing.forms import OTHER_TASK, OTHER_TASKS, PLAIN, wordings
from lab.routing.rows import Row
from router.guarantee import Guarantee
from router.policy import Thresholds
from tests.fakes import FakeClassifier

CLASSIFIER = FakeClassifier({"zzselect": "sql"})
"""Sends a text with this word to `sql`, whatever it is asked to do with it."""

ROWS = [
    *(Row(f"zzselect {number}", "sql", f"s{number}") for number in range(60)),
    *(Row(f"zzpoem {number}", "general", f"g{number}") for number in range(20)),
    *(Row(f"zzselect law {number}", "law", f"l{number}") for number in range(20)),
]


@pytest.fixture(scope="module")
def found():
    return {one.form: one for one in figures_by_form(CLASSIFIER, ROWS)}


def test_every_held_out_form_is_measured_and_plain_comes_first(found):
    """A form that no row can take is left out."""
    assert next(iter(found)) == PLAIN
    assert set(found) == set(wordings(True).forms) - {"context in the system prompt"}


def test_plain_rows_are_measured_as_they_are(found):
    """Rows of a domain that the classifier does not know belong to no specialist."""
    plain = found[PLAIN]
    assert (plain.rows, plain.routed) == (100, 80)
    assert plain.recall.value == 1.0
    assert plain.misrouted.value == pytest.approx(0.25)
    assert plain.wrongly_routed.value == pytest.approx(0.5)


@pytest.mark.parametrize("form", OTHER_TASKS)
def test_a_specialist_should_get_nothing_inside_another_task(found, form):
    """All that is routed is misrouted there, and there is no recall."""
    assert found[form].recall is None
    assert found[form].misrouted.value == 1.0
    assert found[form].wrongly_routed.value == pytest.approx(0.8)


def test_the_operators_thresholds_count():
    """Above the classifier's confidence nothing is routed."""
    found = figures_by_form(CLASSIFIER, ROWS, Thresholds(min_confidence=0.95))
    assert {one.routed for one in found} == {0}


def test_rows_of_niches_alone_have_no_figure_of_general_rows():
    """There are none that a specialist should not get, but inside other tasks."""
    found = {one.form: one for one in figures_by_form(CLASSIFIER, ROWS[:60])}
    assert found[PLAIN].wrongly_routed is None
    assert found[OTHER_TASK].wrongly_routed.value == 1.0


def test_no_rows_have_no_figures():
    """Nothing is divided by nothing."""
    assert figures_by_form(CLASSIFIER, []) == ()


def test_the_same_rows_are_measured_alike(found):
    """The forms are drawn from the texts."""
    assert {one.form: one for one in figures_by_form(CLASSIFIER, ROWS)} == found


@pytest.mark.parametrize(
    ("alpha", "kept"), [(0.5, "yes"), (0.25, "unclear"), (0.01, "no")], ids=["yes", "unclear", "no"]
)
def test_a_level_of_a_guarantee_is_compared_with_the_interval(alpha, kept):
    """Kept if the whole interval is below it, broken if it is above."""
    level = Guarantee(alpha, 0.05, "misroute", 0.8, 90, 100, 0.01, 0.05)
    table = form_table(figures_by_form(CLASSIFIER, ROWS, levels=[level]), with_levels=True)
    assert table.titles[-1] == f"at most {alpha}"
    assert table.rows[0][-1] == kept


@pytest.mark.parametrize("threshold", [0.95, None], ids=["high", "infeasible"])
def test_a_level_is_looked_at_with_its_own_threshold(threshold):
    """Above it nothing is routed, whatever the artifact's own threshold routes."""
    level = Guarantee(0.05, 0.05, "misroute", threshold, 90, 100, 0.01, 0.05)
    found = figures_by_form(CLASSIFIER, ROWS, levels=[level])
    assert found[0].routed == 80
    assert form_table(found, with_levels=True).rows[0][-1] == "nothing routed"
