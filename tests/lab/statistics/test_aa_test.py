"""An arm against itself."""

import numpy as np
import pytest

from lab.statistics.aa_test import aa_test

DOMAINS = ["sql", "tools", "general"]


def recorded(seed: int, rows: int = 300) -> tuple[np.ndarray, list[str]]:
    """One arm's right and wrong answers, easier in some domains."""
    rng = np.random.default_rng(seed)
    domains = [DOMAINS[row % 3] for row in range(rows)]
    chance = np.array([{"sql": 0.3, "tools": 0.6, "general": 0.85}[of] for of in domains])
    return (rng.random(rows) < chance).astype(float), domains


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_arm_against_itself_shows_no_difference(seed: int) -> None:
    """In at least 95 of 100 repetitions."""
    quality, domains = recorded(seed)

    found = aa_test(quality, domains, np.arange(300), seed)

    assert found.repetitions == 100
    assert found.pairs == 150
    assert found.without_difference >= 95


def test_the_check_is_not_blind() -> None:
    """It allows itself to be wrong now and then, and is: more than never, less than 5 %."""
    quality, domains = recorded(0, 120)

    found = aa_test(quality, domains, np.arange(120), 0, 400)

    assert 0.95 < found.without_difference / found.repetitions < 1


def test_of_a_group_one_row_plays_at_a_time() -> None:
    """Rows of one document are no independent pairs."""
    quality, domains = recorded(0, 60)

    found = aa_test(quality, domains, np.repeat(np.arange(30), 2), 0, 3)

    assert found.pairs <= 15


def test_too_few_rows_cannot_be_dealt() -> None:
    """One prompt is no pair."""
    assert aa_test(np.ones(1), ["sql"], np.arange(1), 0) is None
