"""Arrival times compared with the distributions that they should have."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from loadtests.traffic.arrivals import RateStep, Source, alternating_rate, arrivals, constant_rate


def at(steps: tuple[RateStep, ...], number: int = 0, of: int = 1, seed: int = 7) -> list[float]:
    return list(arrivals(steps, Source(number, of, seed)))


def test_the_gaps_of_independent_clients_are_exponential() -> None:
    """By Kolmogorov and Smirnov's test, of the rate that was asked for."""
    gaps = np.diff([0.0, *at(constant_rate(2000.0, 5.0))])

    assert stats.kstest(gaps, stats.expon(scale=0.2).cdf).pvalue > 0.001


def test_requests_per_second_are_poisson_distributed() -> None:
    """Their variance is their mean, and their counts are those of scipy's distribution."""
    counts, _ = np.histogram(at(constant_rate(5000.0, 2.0)), bins=5000, range=(0, 5000))

    seen = np.bincount(np.minimum(counts, 7), minlength=8)
    expected = 5000 * np.append(stats.poisson(2).pmf(np.arange(7)), stats.poisson(2).sf(6))
    assert stats.chisquare(seen, expected).pvalue > 0.001


def test_several_sources_make_together_what_one_makes() -> None:
    """Their requests, put together, are a Poisson process of the whole rate."""
    together = sorted(
        time for number in range(4) for time in at(constant_rate(1000.0, 6.0), number, 4)
    )

    gaps = np.diff([0.0, *together])
    assert stats.kstest(gaps, stats.expon(scale=1 / 6).cdf).pvalue > 0.001


def test_sources_do_not_ask_at_the_same_times() -> None:
    """Each draws its own."""
    steps = constant_rate(100.0, 5.0)

    assert not set(at(steps, 0, 2)) & set(at(steps, 1, 2))


def test_the_same_seed_asks_at_the_same_times() -> None:
    """So that two models get the same load."""
    steps = constant_rate(100.0, 5.0)

    assert at(steps) == at(steps) != at(steps, seed=8)


def test_requests_come_in_order_and_in_time() -> None:
    """From the beginning to the end, and no later."""
    times = at(alternating_rate(300.0, (1.0, 9.0), (20.0, 5.0), seed=1))

    assert all(first < second for first, second in pairwise(times))
    assert times[0] > 0
    assert times[-1] < 300


def test_a_burst_and_a_calm_last_exponential_times() -> None:
    """With the means that were asked for."""
    steps = alternating_rate(60_000.0, (1.0, 9.0), (20.0, 5.0), seed=3)[:-1]

    for rate, mean in ((1.0, 20.0), (9.0, 5.0)):
        lengths = [step.end - step.start for step in steps if step.rate == rate]
        assert stats.kstest(lengths, stats.expon(scale=mean).cdf).pvalue > 0.001


def test_each_rate_is_kept_while_it_holds() -> None:
    """In calm and in bursts the requests are as many as the rate says."""
    steps = alternating_rate(20_000.0, (1.0, 9.0), (20.0, 5.0), seed=3)
    times = np.array(at(steps))

    for rate in (1.0, 9.0):
        held = [step for step in steps if step.rate == rate]
        seen = sum(((times >= step.start) & (times < step.end)).sum() for step in held)
        wanted = rate * sum(step.end - step.start for step in held)
        assert stats.poisson(wanted).cdf(seen) == pytest.approx(0.5, abs=0.4995)


def test_bursts_are_burstier_than_independent_clients() -> None:
    """The variance of requests per ten seconds is a multiple of their mean."""
    times = at(alternating_rate(20_000.0, (1.0, 9.0), (20.0, 5.0), seed=3))

    counts, _ = np.histogram(times, bins=2000, range=(0, 20_000))
    assert counts.var() > 5 * counts.mean()


def test_all_sources_burst_together() -> None:
    """With no requests in calm, all of them lie in the same bursts, whoever makes them."""
    steps = alternating_rate(2000.0, (0.0, 9.0), (20.0, 5.0), seed=3)
    bursts = [step for step in steps if step.rate]

    for number in range(3):
        times = at(steps, number, 3)
        assert times
        assert all(any(step.start <= time < step.end for step in bursts) for time in times)


@pytest.mark.parametrize("dwells", [(0.0, 1.0), (1.0, -1.0)], ids=["no-calm", "negative-burst"])
def test_a_calm_and_a_burst_must_last(dwells) -> None:
    """Else time would not pass."""
    with pytest.raises(ValueError, match="mean_seconds"):
        alternating_rate(10.0, (1.0, 2.0), dwells, seed=0)


def test_a_step_goes_forward_with_a_rate() -> None:
    """Neither backwards nor with less than nothing."""
    with pytest.raises(ValueError, match=r"rate=1\.0"):
        RateStep(3.0, 2.0, 1.0)


def test_a_source_is_one_of_some() -> None:
    """At least of one."""
    with pytest.raises(ValueError, match="count=0"):
        Source(count=0)
