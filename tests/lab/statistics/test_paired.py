"""Paired differences: as wide as others compute them, and not fooled by few prompts."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import bootstrap, norm
from statsmodels.stats.weightstats import DescrStatsW

from lab.statistics.bootstrap import group_numbers
from lab.statistics.paired import compare_by_draws, compare_paired, smoothed_draws


def pairs(seed: int, rows: int, first: float, second: float) -> tuple[np.ndarray, np.ndarray]:
    """Right and wrong answers of two arms that agree on half of the prompts."""
    rng = np.random.default_rng(seed)
    alike = rng.random(rows) < 0.5
    one = (rng.random(rows) < first).astype(float)
    other = np.where(alike, one, rng.random(rows) < second).astype(float)
    return one, other


def bonett_price(wins: int, losses: int, rows: int) -> tuple[float, float]:
    """Bonett and Price's interval of a difference of paired shares, by their formula."""
    won, lost = (wins + 1) / (rows + 2), (losses + 1) / (rows + 2)
    spread = norm.ppf(0.975) * np.sqrt((won + lost - (won - lost) ** 2) / (rows + 2))
    return won - lost - spread, won - lost + spread


@pytest.mark.parametrize(("rows", "first"), [(40, 0.6), (300, 0.7), (1200, 0.55)])
def test_the_interval_is_bonett_and_prices(rows: int, first: float) -> None:
    """For right and wrong answers, to within what 2,000 draws may be off."""
    one, other = pairs(rows, rows, first, 0.5)

    found = compare_paired(one, other, np.arange(rows), "test")

    low, high = bonett_price(found.wins, found.losses, rows)
    assert (found.difference.low, found.difference.high) == pytest.approx(
        (low, high), abs=0.12 * (high - low)
    )
    assert found.difference.value == pytest.approx((one - other).mean())


def test_the_interval_is_scipys_where_prompts_are_many() -> None:
    """With thousands of prompts two made-up ones no longer matter."""
    rng = np.random.default_rng(0)
    one, other = rng.beta(2, 2, 2000), rng.beta(2, 3, 2000)

    found = compare_paired(one, other, np.arange(2000), "test").difference

    ready = bootstrap((one - other,), np.mean, n_resamples=2000, method="percentile", rng=rng)
    ends = ready.confidence_interval
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), abs=0.002)


def test_groups_widen_the_interval_as_cluster_robust_errors_do() -> None:
    """Hundreds of groups of ten prompts that share most of their luck: statsmodels' sandwich
    agrees, since among so many groups two made-up ones no longer matter."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(300), 10)
    luck, chance = rng.standard_normal(300)[groups], rng.standard_normal(3000)
    one, other = np.clip(0.5 + 0.3 * luck + 0.1 * chance, 0, 1), np.full(3000, 0.5)

    found = compare_paired(one, other, groups, "test").difference

    fit = sm.OLS(one - other, np.ones(3000)).fit(cov_type="cluster", cov_kwds={"groups": groups})
    assert found.high - found.low == pytest.approx(2 * 1.96 * fit.bse[0], rel=0.15)
    alone = compare_paired(one, other, np.arange(3000), "test").difference
    assert found.high - found.low > 2 * (alone.high - alone.low)


@pytest.mark.parametrize("rows", [5, 30, 150])
def test_few_prompts_without_a_loss_prove_little(rows: int) -> None:
    """Arms that agree everywhere: the interval still reaches as far as losses may be unseen."""
    same = np.ones(rows)

    found = compare_paired(same, same, np.arange(rows), "test")

    assert found.difference.value == 0
    assert found.difference.low < -1 / (rows + 2) < 1 / (rows + 2) < found.difference.high
    assert found.non_inferior(0.02) == (rows > 140)


@pytest.mark.parametrize(("groups", "each"), [(2, 200), (20, 10)])
def test_groups_without_a_loss_prove_as_little_as_that_many_prompts(groups: int, each: int) -> None:
    """However many prompts each group has."""
    same = np.ones(groups * each)

    found = compare_paired(same, same, np.repeat(np.arange(groups), each), "test")

    alone = compare_paired(np.ones(groups), np.ones(groups), np.arange(groups), "test").difference
    assert (found.difference.low, found.difference.high) == pytest.approx(
        (alone.low, alone.high), abs=0.02
    )
    assert not found.non_inferior(0.02)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Of 300 samples of 50 prompts with a true difference of 0.1, 95 %, give or take."""
    alone = np.arange(50)
    taken, covered = smoothed_draws(alone, "test"), 0
    for seed in range(300):
        one, other = pairs(seed, 50, 0.7, 0.5)
        found = compare_by_draws(one - other, alone, taken).difference
        covered += found.low <= 0.1 <= found.high

    assert covered / 300 > 0.92


@pytest.mark.parametrize(("seed", "margin"), [(0, 0.02), (1, 0.05), (2, 0.1), (3, 0.2)])
def test_kept_quality_is_what_the_test_of_non_inferiority_says(seed: int, margin: float) -> None:
    """As statsmodels' one-sided t test at 2.5 %, with many prompts and no close call."""
    one, other = pairs(seed, 2000, 0.55, 0.55)

    found = compare_paired(one, other, np.arange(2000), "test")

    p_value = DescrStatsW(one - other).ttest_mean(-margin, alternative="larger")[1]
    assert found.non_inferior(margin) == (p_value < 0.025)


def test_wins_ties_and_losses_are_counted_by_prompt() -> None:
    """A better answer wins, however much better."""
    one, other = np.array([1.0, 0.5, 0.2, 0.0]), np.array([0.0, 0.4, 0.2, 1.0])

    found = compare_paired(one, other, np.arange(4), "test")

    assert (found.wins, found.ties, found.losses) == (2, 1, 1)


def test_the_exact_test_counts_groups() -> None:
    """Ten prompts of one document that are all won are one win."""
    one, other = np.ones(12), np.zeros(12)
    groups = np.array([0] * 10 + [1, 2])

    found = compare_paired(one, other, groups, "test")

    assert (found.groups, found.p_value) == (3, pytest.approx(0.25))


@pytest.mark.parametrize(
    ("first", "second", "outcome"), [(0.9, 0.3, "wins"), (0.3, 0.9, "loses"), (0.5, 0.5, "ties")]
)
def test_an_outcome_is_a_difference_that_is_sure(first: float, second: float, outcome: str) -> None:
    """Interval and exact test must agree."""
    one, other = pairs(0, 200, first, second)

    assert compare_paired(one, other, np.arange(200), "test").outcome == outcome


def test_a_corrected_p_value_may_take_a_win_away() -> None:
    """What is sure of one question may be chance among many."""
    one, other = np.array([1.0] * 9 + [0.0] * 31), np.array([0.0] * 8 + [1.0] + [0.0] * 31)
    found = compare_paired(one, other, np.arange(40), "test")

    assert (found.outcome, found.outcome_at(10 * found.p_value)) == ("wins", "ties")


def test_rows_that_do_not_match_are_refused() -> None:
    """Arms with another number of answers are no pairs."""
    with pytest.raises(ValueError, match="rows"):
        compare_paired(np.ones(3), np.ones(4), np.arange(3), "test")


def test_rows_without_a_group_are_groups_of_their_own() -> None:
    """And the same name is the same group."""
    assert group_numbers(["a", "", "b", "a", ""]).tolist() == [0, 1, 2, 0, 3]
