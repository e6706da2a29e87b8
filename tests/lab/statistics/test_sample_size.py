"""How many prompts are needed, beside statsmodels' power analysis."""

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from lab.statistics.sample_size import needed_rows


def signs(discordant: float, rows: int = 100_000) -> np.ndarray:
    """Differences of which this share is a win or a loss, as many of either."""
    each = int(rows * discordant / 2)
    return np.concatenate([np.ones(each), -np.ones(each), np.zeros(rows - 2 * each)])


@pytest.mark.parametrize(("discordant", "margin"), [(0.1, 0.02), (0.2, 0.05), (0.4, 0.1)])
def test_the_number_is_that_of_statsmodels(discordant: float, margin: float) -> None:
    """A one-sided test at 2.5 % of arms that are alike, with power 0.8."""
    differences = signs(discordant)

    found = needed_rows(differences, np.arange(len(differences)), margin)

    wanted = TTestPower().solve_power(
        margin / np.sqrt(discordant), alpha=0.025, power=0.8, alternative="larger"
    )
    assert found == pytest.approx(wanted, rel=0.02)


def test_groups_that_vary_together_need_more() -> None:
    """Pairs of prompts with the same difference count as one each: twice as many prompts."""
    single = np.random.default_rng(0).permutation(signs(0.2, 4000))
    doubled = np.repeat(single, 2)

    alone = needed_rows(doubled, np.arange(8000), 0.05)
    together = needed_rows(doubled, np.repeat(np.arange(4000), 2), 0.05)

    assert together == pytest.approx(2 * alone, rel=0.01)


def test_no_difference_among_few_prompts_still_needs_some() -> None:
    """Ten prompts without a difference do not say that none is needed."""
    assert needed_rows(np.zeros(10), np.arange(10), 0.02) > 1000
