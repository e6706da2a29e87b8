"""The domain oracle, and the way to it."""

import numpy as np
import pytest

from lab.comparison.analysis import domain_oracle, gap_closed
from tests.lab.comparison.samples import arm, sample_of

DOMAINS = ["sql"] * 50 + ["tools"] * 50


def test_each_domain_gets_the_model_that_answers_it_best() -> None:
    """Its specialist or not."""
    arms = [
        arm("auto", [0] * 100),
        arm("generalist", [0] * 50 + [1] * 50),
        arm("oracle", [1] * 50 + [0] * 50, list_cost=[3] * 100),
        arm("other", [0.5] * 100),
    ]

    found = domain_oracle(sample_of(arms, DOMAINS))

    assert found.quality.tolist() == [1] * 100
    assert found.list_cost[:50].tolist() == [3] * 50
    assert found.models == ("oracle",) * 50 + ("generalist",) * 50


def test_without_anybody_else_there_is_no_oracle() -> None:
    """The router and its controls are none."""
    arms = [arm(name, [1] * 100) for name in ("auto", "generalist", "shuffle")]

    assert domain_oracle(sample_of(arms, DOMAINS)) is None


def test_the_share_of_the_way_is_that_of_the_means() -> None:
    """From 0.2 to 0.6 it is 0.4; auto at 0.5 goes three quarters of it."""
    rng = np.random.default_rng(0)
    generalist = (np.arange(100) < 20).astype(float)
    auto, oracle = (np.arange(100) < 50).astype(float), (np.arange(100) < 60).astype(float)
    arms = [arm("auto", auto), arm("generalist", generalist)]

    found = gap_closed(sample_of(arms, rng.permutation(DOMAINS).tolist()), arm("oracle", oracle))

    assert found.width.value == pytest.approx(0.4)
    assert found.closed.value == pytest.approx(0.75)
    assert 0.5 < found.closed.low < 0.75 < found.closed.high < 0.95


def test_where_there_is_no_way_there_is_no_share() -> None:
    """An oracle that is no better than the generalist: nobody divides by that."""
    arms = [arm("auto", [0, 1] * 50), arm("generalist", [1, 0] * 50)]

    found = gap_closed(sample_of(arms, DOMAINS), arm("oracle", [1, 0] * 50))

    assert found.closed is None
    assert found.width.value == 0
