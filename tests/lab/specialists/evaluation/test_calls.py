"""Calls of functions, graded on the engine that serves them."""

from pathlib import Path

import pytest

from lab.specialists.evaluation.calls import CallScore, CallScores, CallSettings, grade_calls
from lab.specialists.evaluation.plan import Weights
from lab.statistics.interval import Interval
from tests.deployments.tiny_gguf import save_tiny_gguf
from tests.deployments.tiny_model import save_tiny_model
from tests.lab.specialists.toy_niche import calling_niche


def score(value: float, low: float, high: float) -> CallScore:
    figures = {"calls": Interval(value, low, high), "arguments": Interval(0.5, 0.4, 0.6)}
    return CallScore(40, figures)


GOOD, FAIR, POOR = score(0.9, 0.8, 0.95), score(0.6, 0.5, 0.81), score(0.1, 0.0, 0.2)


@pytest.mark.parametrize(("others", "wins"), [(GOOD, True), (FAIR, True), (POOR, False)])
def test_it_wins_on_other_functions_if_the_intervals_are_apart(others, wins) -> None:
    """By the first grader."""
    assert CallScores(GOOD, POOR, others, POOR).wins_on_others == wins
    assert not CallScores(GOOD, POOR, GOOD, FAIR).wins_on_others
    assert CallScores(GOOD, POOR, others, POOR).wins_on_learned


def test_the_table_has_both_models_and_both_sets() -> None:
    """With the interval of each figure."""
    table = CallScores(GOOD, POOR, FAIR, POOR).table("tools", "base")

    assert table.titles == ("model", "functions", "rows", "calls", "arguments")
    assert [row[:3] for row in table.rows] == [
        ("tools", "learned", "40"),
        ("base", "learned", "40"),
        ("tools", "others", "40"),
        ("base", "others", "40"),
    ]
    assert table.rows[2][3] == "0.600 [0.500, 0.810]"


def test_models_are_asked_for_calls_of_both_sets(tmp_path: Path) -> None:
    """As many as the settings say; a model of random weights is right in none."""
    reference = str(save_tiny_gguf(tmp_path / "tiny.gguf", context=2048))
    weights = Weights(reference, save_tiny_model(tmp_path / "tokenizer"))

    found = grade_calls(
        calling_niche(), weights, CallSettings(tmp_path, tmp_path, rows=3, threads=1, at_once=2)
    )

    assert (found.learned.rows, found.others_base.rows) == (3, 3)
    assert found.learned.right.value == 0
    assert not found.wins_on_others
