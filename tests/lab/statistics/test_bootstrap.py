"""Intervals: paired, repeatable, and as wide as they should be."""

import numpy as np
import pytest

from lab.statistics.bootstrap import RESAMPLES, bootstrap, draws, interval
from lab.statistics.quality import qualities


def right_or_wrong(hits: np.ndarray) -> np.ndarray:
    return np.stack([hits, np.ones_like(hits), np.ones_like(hits)], axis=1).astype(np.int64)


def test_the_first_draw_is_the_figure_itself() -> None:
    """Every row once."""
    counts = np.array([[2, 3, 2], [0, 1, 1], [1, 1, 4]])

    drawn = qualities(counts, draws(3, "set"))

    assert drawn[0] == 2 * 3 / (5 + 7)
    assert drawn.shape == (1 + RESAMPLES,)


def test_every_draw_takes_as_many_rows_as_there_are() -> None:
    """With replacement."""
    assert (draws(17, "set").sum(axis=1) == 17).all()


def test_the_same_set_is_drawn_alike_and_another_is_not() -> None:
    """That pairs the models on a set, and keeps sets of the same size apart."""
    assert (draws(10, "sql") == draws(10, "sql")).all()
    assert (draws(10, "sql") != draws(10, "tools")).any()


def test_a_group_is_drawn_whole() -> None:
    """As many groups as there are, each with all of its rows or none."""
    groups = np.array([0, 0, 0, 1, 2, 2])

    taken = draws(6, "set", groups)

    assert (taken[:, 0] == taken[:, 2]).all()
    assert (taken[:, 4] == taken[:, 5]).all()
    assert (taken[:, [0, 3, 4]].sum(axis=1) == 3).all()


def test_groups_of_one_are_no_groups() -> None:
    """The draws are those without any."""
    assert (draws(9, "set", np.arange(9)) == draws(9, "set")).all()


def test_the_interval_of_a_share_is_that_of_theory() -> None:
    """80 of 200 right: 0.4, give or take 1.96 standard errors of 0.0346."""
    counts = right_or_wrong(np.arange(200) < 80)

    found = interval(qualities(counts, draws(200, "set")))

    assert found.value == 0.4
    assert found.low == pytest.approx(0.4 - 1.96 * 0.0346, abs=0.01)
    assert found.high == pytest.approx(0.4 + 1.96 * 0.0346, abs=0.01)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Of 200 samples of 60 rows, each right with 0.3; 95 % of the intervals hold 0.3."""
    rng = np.random.default_rng(0)
    taken = draws(60, "set")
    covered = 0
    for _ in range(200):
        found = interval(qualities(right_or_wrong(rng.random(60) < 0.3), taken))
        covered += found.low <= 0.3 <= found.high

    assert 0.90 <= covered / 200 <= 0.99


def test_pairing_narrows_the_interval_of_a_difference() -> None:
    """Two models that fail on the same hard rows differ by little in every draw."""
    rng = np.random.default_rng(1)
    one = rng.random(200) < 0.5
    other = one.copy()
    other[:4] = True
    taken = draws(200, "set")
    first, second = (qualities(right_or_wrong(of), taken) for of in (one, other))

    paired = interval(second - first)
    apart = interval(qualities(right_or_wrong(other), draws(200, "another")) - first)

    assert paired.high - paired.low < (apart.high - apart.low) / 3


def test_draws_without_a_figure_are_left_out() -> None:
    """A ratio may have no value in some draw."""
    found = interval(np.array([0.5, np.nan, 0.25, 0.75]))

    assert (found.value, found.low >= 0.25, found.high <= 0.75) == (0.5, True, True)


def test_an_infinite_draw_does_not_spoil_the_bounds() -> None:
    """Between two infinite values there is nothing to interpolate."""
    found = interval(np.array([2.0, *[1.0] * 500, *[3.0] * 400, *[np.inf] * 100]))

    assert (found.low, found.high) == (1.0, np.inf)


def test_without_any_defined_draw_there_are_no_bounds() -> None:
    """The figure itself stands alone."""
    found = interval(np.array([0.5, np.nan, np.nan]))

    assert found.value == 0.5
    assert np.isnan([found.low, found.high]).all()


def test_a_statistic_of_rows_has_the_width_that_theory_gives() -> None:
    """The mean of 400 numbers of variance 1."""
    values = np.random.default_rng(0).normal(size=400)

    found = bootstrap(lambda at: float(values[at].mean()), len(values))

    assert found.value == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 / 20, rel=0.2)


def test_a_statistic_sees_groups_whole() -> None:
    """Rows of a group come together, as often as each other."""
    seen = []

    def count(at: np.ndarray) -> float:
        seen.append(np.bincount(at, minlength=4))
        return 0.0

    bootstrap(count, list("aabb"))

    assert all(counts[0] == counts[1] and counts[2] == counts[3] for counts in seen)
    assert any(counts[0] != counts[2] for counts in seen)
