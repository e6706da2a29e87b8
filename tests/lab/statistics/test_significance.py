"""Exact tests and their correction, beside statsmodels'."""

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests

from lab.statistics.significance import holm, mcnemar


@pytest.mark.parametrize(("wins", "losses"), [(0, 1), (1, 9), (12, 12), (40, 21), (0, 30)])
def test_the_exact_test_is_that_of_statsmodels(wins: int, losses: int) -> None:
    """On the table of both arms' passes and fails, of which the ties do not matter."""
    table = [[50, wins], [losses, 70]]

    assert mcnemar(wins, losses) == pytest.approx(reference_mcnemar(table, exact=True).pvalue)


def test_without_any_difference_nothing_is_told() -> None:
    """No pair differs: the p-value is 1."""
    assert mcnemar(0, 0) == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_holms_correction_is_that_of_statsmodels(seed: int) -> None:
    """In the order of the questions."""
    p_values = (np.random.default_rng(seed).random(7) ** 3).tolist()

    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_no_questions_need_no_correction() -> None:
    """An empty list stays one."""
    assert holm([]) == []
