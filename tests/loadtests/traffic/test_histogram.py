"""Distributions in little memory."""

import json

import numpy as np
import pytest

from loadtests.traffic.histogram import Histogram


def of(values) -> Histogram:
    made = Histogram()
    made.extend(values)
    return made


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_a_quantile_is_numpys_within_a_percent(share) -> None:
    """Of times from milliseconds to minutes."""
    values = np.random.default_rng(5).lognormal(-1.0, 1.5, 5000)

    exact = np.quantile(values, share, method="inverted_cdf")
    assert of(values).quantile(share) == pytest.approx(exact, rel=0.0101)


def test_the_mean_is_exact() -> None:
    """It does not go through the bins."""
    assert of([0.1, 0.2, 0.6]).mean == pytest.approx(0.3)


def test_nothing_has_no_quantile() -> None:
    """And no mean: they are not zero."""
    assert (of([]).quantile(0.5), of([]).mean) == (None, None)


def test_no_time_at_all_is_a_value() -> None:
    """Two tokens may come at once."""
    assert of([0.0]).quantile(0.5) == pytest.approx(1e-5)


def test_parts_add_up_to_the_whole() -> None:
    """Over JSON, as a worker sends them."""
    values = np.random.default_rng(5).exponential(0.2, 300)
    merged = of(values[:100])

    merged.merge(json.loads(json.dumps(of(values[100:]).fields())))

    whole = of(values)
    assert merged.fields()["bins"] == whole.fields()["bins"]
    assert merged.mean == pytest.approx(whole.mean)


def test_what_is_no_histogram_is_not_added() -> None:
    """It says so."""
    with pytest.raises(TypeError, match="bins"):
        of([]).merge({"bins": 3, "sum": 0.0})
