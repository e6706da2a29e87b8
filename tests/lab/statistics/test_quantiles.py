"""Latency quantiles: numpy's, with intervals that cover."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from lab.statistics.bootstrap import draws
from lab.statistics.quantiles import quantile_differences, quantiles

NAN = np.nan


def times(seed: int, rows: int = 200) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(0, 0.5, rows)


def test_a_quantile_is_numpys() -> None:
    """The one that is always among the values."""
    values = times(0)

    found = quantiles(values, draws(200, "test"))

    wanted = np.quantile(values, [0.5, 0.95, 0.99], method="inverted_cdf")
    assert [found.p50.value, found.p95.value, found.p99.value] == wanted.tolist()


def test_an_interval_is_scipys() -> None:
    """Of the median, by the same number of draws."""
    values = times(1)

    found = quantiles(values, draws(200, "test")).p50

    ready = bootstrap(
        (values,),
        lambda of, axis: np.quantile(of, 0.5, axis=axis, method="inverted_cdf"),
        n_resamples=2000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((ready.low, ready.high), rel=0.03)


def test_failed_requests_have_no_latency() -> None:
    """They are left out, not counted as quick."""
    values = np.array([1.0, NAN, 3.0, NAN, 2.0])

    assert quantiles(values, draws(5, "test")).p50.value == 2.0


def test_nothing_known_is_nothing_told() -> None:
    """An arm whose every request failed."""
    nothing, taken = np.full(4, NAN), draws(4, "test")

    assert quantiles(nothing, taken) is None
    assert quantile_differences(np.ones(4), nothing, taken) is None


def test_a_difference_is_drawn_on_the_same_prompts() -> None:
    """Where one arm is always half a second slower, the difference of medians is just that."""
    values = times(2)

    found = quantile_differences(values + 0.5, values, draws(200, "test"))

    assert [found.p50.low, found.p50.value, found.p50.high] == pytest.approx([0.5] * 3)
    assert found.p99.value == pytest.approx(0.5)
