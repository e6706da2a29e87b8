"""The queueing formulas, beside the chain's own balance equations and scipy; beside a simulation in
`test_simulation.py`."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lab.planning.queue import (
    Limits,
    busy_probability,
    capacity,
    replicas_needed,
    wait_quantile,
)

CASES = [(1, 0.5), (1, 0.95), (2, 1.2), (5, 4.5), (12, 7.0), (40, 36.0)]


@cache  # each room is solved once for all quantiles
def stationary(servers: int, load: float) -> np.ndarray:
    """How probable each number of requests in the system is, from the balance equations of a chain
    that is cut where nearly nothing is left."""
    states = servers + 600
    chain = np.zeros((states, states))
    for state in range(states - 1):
        chain[state, state + 1] = load  # arrivals, in units of a service
        chain[state + 1, state] = min(state + 1, servers)
    np.fill_diagonal(chain, -chain.sum(axis=1))
    equations = np.vstack([chain.T, np.ones(states)])
    found, *_ = np.linalg.lstsq(equations, np.append(np.zeros(states), 1.0), rcond=None)
    return found


@pytest.mark.parametrize(("servers", "load"), CASES[:4])
def test_who_finds_all_busy_is_as_many_as_the_chain_says(servers, load) -> None:
    """Erlang's C against the balance equations."""
    exact = stationary(servers, load)[servers:].sum()

    assert busy_probability(servers, load) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(("servers", "load"), [*CASES, (3000, 2900.0)])
def test_who_finds_all_busy_is_as_many_as_erlangs_recursion_says(servers, load) -> None:
    """Erlang's B, one server more at a time, and C from it; large rooms too."""
    blocked = 1.0
    for server in range(1, servers + 1):
        blocked = load * blocked / (server + load * blocked)
    exact = servers * blocked / (servers - load * (1 - blocked))

    assert busy_probability(servers, load) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize(("servers", "load"), CASES[:4])
@pytest.mark.parametrize("quantile", [0.9, 0.95, 0.99])
def test_the_wait_is_as_long_as_the_chain_says(servers, load, quantile) -> None:
    """Who finds n waiting waits for n + 1 services of the whole room: scipy's gamma distributions,
    weighed by the chain's own probabilities."""
    seconds = 0.4
    waiting = stationary(servers, load)[servers:]
    wait = wait_quantile(servers, load / seconds, seconds, quantile)

    longer = waiting @ stats.gamma.sf(wait, np.arange(1, len(waiting) + 1), scale=seconds / servers)
    assert longer == pytest.approx(min(1 - quantile, waiting.sum()), rel=1e-6)


def test_servers_that_never_catch_up_are_refused() -> None:
    """The line would grow for ever."""
    with pytest.raises(ValueError, match=r"2\.0"):
        busy_probability(2, 2.0)


def test_nothing_to_do_keeps_nobody_busy() -> None:
    """And needs nobody."""
    assert busy_probability(1, 0.0) == 0.0
    assert replicas_needed(0.0, 1.0, Limits()) == 0


def test_many_loads_at_once_need_what_each_needs_alone() -> None:
    """Nothing at all among them."""
    rates, seconds = np.array([0.0, 0.4, 3.0, 40.0]), np.array([1.0, 2.0, 0.5, 0.0])

    found = replicas_needed(rates, seconds, Limits())

    pairs = zip(rates.tolist(), seconds.tolist(), strict=True)
    assert found.tolist() == [replicas_needed(rate, each, Limits()) for rate, each in pairs]
    assert (found[0], found[3]) == (0, 0)


@given(
    rate=st.floats(0.001, 200),
    seconds=st.floats(0.001, 5),
    busy=st.floats(0.1, 0.95),
    wait=st.floats(0.0, 3),
)
def test_replicas_are_the_fewest_within_the_limits(rate, seconds, busy, wait) -> None:
    """One fewer breaks one of them."""
    limits = Limits(busy, wait)

    def enough(servers: int) -> bool:
        return rate * seconds <= servers * busy * (1 + 1e-9) and (
            wait_quantile(servers, rate, seconds, 0.95) <= wait
        )

    found = replicas_needed(rate, seconds, limits)

    assert enough(found)
    assert found == 1 or not enough(found - 1)


@given(servers=st.integers(1, 60), seconds=st.floats(0.01, 5), wait=st.floats(0.01, 2))
def test_replicas_take_what_they_are_needed_for(servers, seconds, wait) -> None:
    """The most that they take needs no more of them, and a little more does."""
    limits = Limits(max_wait_seconds=wait)

    most = capacity(servers, seconds, limits)

    assert replicas_needed(most * 0.999, seconds, limits) <= servers
    assert replicas_needed(most * 1.001, seconds, limits) > servers


def test_no_replica_takes_nothing() -> None:
    """However patient."""
    assert capacity(0, 1.0, Limits()) == 0.0


@pytest.mark.parametrize(
    "values", [(0.0, 1.0), (1.0, 1.0), (0.5, -1.0)], ids=["never", "always", "negative"]
)
def test_limits_are_shares_and_times(values) -> None:
    """Else they are refused."""
    with pytest.raises(ValueError, match="Limits"):
        Limits(*values)
