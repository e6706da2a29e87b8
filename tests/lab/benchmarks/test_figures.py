"""Figures: bars, intervals, and the tables they are shown in."""

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from lab.benchmarks.figures import Bar, Figure, Result, macro_f1, share
from lab.statistics.table import Table


def test_a_bar_is_met_from_its_limit_on():
    """At least means at least; at most means at most."""
    assert Bar(0.9).met(0.9)
    assert not Bar(0.9).met(0.899)
    assert Bar(3, at_most=True).met(3)
    assert not Bar(3, at_most=True).met(3.1)


@pytest.mark.parametrize("bar", [Bar(0.9), Bar(0.9, at_most=True)])
def test_no_bar_is_met_by_what_is_no_number(bar):
    """A figure that could not be measured is missed, whichever way the bar points."""
    assert not bar.met(float("nan"))


def test_a_figure_without_a_bar_is_neither_met_nor_missed():
    """References stand beside the others."""
    assert Figure("reference", 0.5).met is None


def test_a_share_has_wilsons_interval():
    """8 of 10: the textbook's 0.490 to 0.943."""
    figure = share("right", np.array([True] * 8 + [False] * 2), Bar(0.5))
    assert figure.value == 0.8
    assert figure.interval.low == pytest.approx(0.4902, abs=1e-4)
    assert figure.interval.high == pytest.approx(0.9433, abs=1e-4)


def test_macro_f1_is_the_mean_over_the_classes_that_occur():
    """As scikit-learn's, over the classes of the truth alone."""
    truth, chosen = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 1, 3, 2])
    wanted = f1_score(truth, chosen, labels=[0, 1, 2], average="macro", zero_division=0)
    assert macro_f1(truth, chosen) == pytest.approx(wanted)


def test_a_result_shows_each_figure_beside_its_bar():
    """Met and missed are said in words, below the benchmark's name, above the notes."""
    result = Result(
        "toy",
        (Figure("a", 0.95, None, Bar(0.9)), Figure("b", 12.5, None, Bar(10, at_most=True))),
        ("of 3 rows",),
        (Table(("x",), (("y",),)),),
    )
    for text in (result.markdown(), result.text()):
        lines = text.splitlines()
        assert lines[0] == "## toy"
        assert lines[-1] == "- of 3 rows"
        (first,) = [line for line in lines if "0.9500" in line]
        (second,) = [line for line in lines if "12.50" in line]
        assert "met" in first
        assert "missed" in second


def test_a_result_can_be_written_as_json():
    """With whether each figure meets its target."""
    result = Result("some", (share("right", np.array([True, False]), Bar(0.9)), Figure("p50", 2.0)))

    fields = json.loads(json.dumps(result.fields()))

    assert [(f["name"], f["value"], f["met"]) for f in fields["figures"]] == [
        ("right", 0.5, False),
        ("p50", 2.0, None),
    ]
