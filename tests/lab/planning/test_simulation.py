"""The event simulation, beside what is known exactly."""

import numpy as np
import pytest
from scipy import stats

from lab.planning.queue import busy_probability, wait_quantile
from lab.planning.simulation import Path, Visit, closed_loop, open_loop

MMC = Path([Visit("replica", 0.5, variation=1)], {"replica": 3})


def test_many_servers_wait_as_erlang_says() -> None:
    """M/M/3 at two thirds: who waits, and how long 95 % wait at most, within what ten seeds differ
    by."""
    runs = [open_loop(MMC, 4.0, 20_000, seed) for seed in range(10)]
    waited = [np.mean(run.waits > 0) for run in runs]
    p95 = [np.quantile(run.waits, 0.95) for run in runs]

    assert abs(np.mean(waited) - busy_probability(3, 2.0)) < 3.5 * stats.sem(waited)
    assert abs(np.mean(p95) - wait_quantile(3, 4.0, 0.5, 0.95)) < 3.5 * stats.sem(p95)
    assert stats.sem(p95) < 0.05


@pytest.mark.parametrize("variation", [0.0, 0.5, 2.0], ids=["equal", "similar", "wild"])
def test_one_server_waits_as_pollaczek_and_khinchine_say(variation) -> None:
    """M/G/1: the mean wait depends on the variation of the service times alone."""
    rate, seconds = 0.6, 1.0
    path = Path([Visit("replica", seconds, variation)], {"replica": 1})

    waits = [open_loop(path, rate, 20_000, seed).waits.mean() for seed in range(10)]

    exact = rate * seconds**2 * (1 + variation**2) / 2 / (1 - rate * seconds)
    assert abs(np.mean(waits) - exact) < 3.5 * stats.sem(waits)


def test_clients_between_two_equal_servers_reach_the_known_rate() -> None:
    """N of N + 1 of the server's rate, for exponential times (Gordon and Newell)."""
    path = Path([Visit("a", 0.01, 1), Visit("b", 0.01, 1)], {"a": 1, "b": 1})

    rates = [closed_loop(path, 5, 10_000, seed).rate for seed in range(10)]

    assert np.mean(rates) == pytest.approx(100 * 5 / 6, rel=0.01)


def test_clients_of_one_server_wait_for_all_others() -> None:
    """The rate is the server's, and each answer takes as many services as there are clients."""
    run = closed_loop(Path([Visit("gateway", 0.002)], {"gateway": 1}), 16, 1000)

    assert run.rate == pytest.approx(500)
    assert run.latencies == pytest.approx(16 * 0.002)


def test_a_step_without_servers_takes_time_alone() -> None:
    """However many are in it."""
    run = closed_loop(Path([Visit("pause", 0.5)], {}), 100, 1000)

    assert run.latencies == pytest.approx(0.5)
    assert not run.waits.any()


def test_a_request_waits_again_where_it_comes_back() -> None:
    """Two clients take turns at one server, two steps each."""
    path = Path([Visit("gateway", 1.0), Visit("gateway", 1.0)], {"gateway": 1})

    run = closed_loop(path, 2, 100)

    assert run.rate == pytest.approx(0.5, rel=0.02)
    assert run.waits.shape == (80, 2)


def test_a_seed_gives_the_same_figures() -> None:
    """And another seed gives others."""
    run, again, other = (open_loop(MMC, 4.0, 500, seed) for seed in (1, 1, 2))

    assert run.latencies.tolist() == again.latencies.tolist()
    assert run.latencies.tolist() != other.latencies.tolist()
