"""M/M/c: requests arrive independently at a constant rate, each of c replicas serves one at a time,
and requests that find all replicas busy wait in one queue.

Engines serve several requests at once and share their passes among them; a request's engine seconds
are its share. Modelling a replica as serving these seconds one request after another gives the same
capacity and, at worst, too long a wait, which is the safe error.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, pdtr, xlogy

Floats = NDArray[np.float64]
Numbers = float | Floats

_STEPS = 60


@dataclass(frozen=True)
class Limits:
    """The limits within which replicas are enough.

    Attributes:
        max_utilization: the largest share of time that a replica may be busy.
        max_wait_seconds: the longest wait for a replica at `quantile`.
        quantile: the share of requests that must wait no longer.
    """

    max_utilization: float = 0.7
    max_wait_seconds: float = 0.5
    quantile: float = 0.95

    def __post_init__(self) -> None:
        if (
            not 0 < self.max_utilization < 1
            or not 0 < self.quantile < 1
            or self.max_wait_seconds < 0
        ):
            raise ValueError(f"invalid limits: {self}")


def busy_probability(servers: Numbers, load: Numbers) -> Floats:
    """Erlang's C: the probability that a request finds all servers busy.

    Args:
        servers: their number, at least 1.
        load: arrivals per second times service seconds; below `servers`.

    Raises:
        ValueError: the load is too high for the servers.
    """
    servers, load = np.asarray(servers, np.float64), np.asarray(load, np.float64)
    if not ((load >= 0) & (load < servers)).all():
        raise ValueError(f"{servers} servers cannot handle a load of {load}")
    # Erlang's B: a ratio of Poisson probabilities.
    exactly = np.exp(xlogy(servers, load) - load - gammaln(servers + 1))
    blocked = exactly / pdtr(servers, load)
    return np.asarray(blocked / (1 - load / servers * (1 - blocked)))


def wait_quantile(servers: Numbers, rate: Numbers, seconds: Numbers, quantile: float) -> Floats:
    """The quantile of the waiting time, in seconds.

    Args:
        servers: their number.
        rate: requests per second.
        seconds: mean service time.
        quantile: the share of requests that wait no longer.
    """
    load = np.multiply(rate, seconds)
    longer = busy_probability(servers, load) / (1 - quantile)
    return np.asarray(seconds * np.log(np.maximum(longer, 1.0)) / (servers - load))


def replicas_needed(rate: Numbers, seconds: Numbers, limits: Limits) -> Floats:
    """The fewest replicas within the limits; 0 without requests.

    Args:
        rate: requests per second; a scalar or an array.
        seconds: mean service time.
        limits: see `Limits`.
    """
    load = np.multiply(rate, seconds)
    servers = np.maximum(1, np.ceil(load / limits.max_utilization - 1e-9))
    while True:
        wait = wait_quantile(servers, rate, seconds, limits.quantile)
        if not (wait > limits.max_wait_seconds).any():
            return np.asarray(np.where(load > 0, servers, 0.0))
        servers = servers + (wait > limits.max_wait_seconds)


def capacity(servers: int, seconds: float, limits: Limits) -> float:
    """The most requests per second that these replicas handle within the limits."""
    if servers < 1 or seconds <= 0:
        return 0.0
    low, high = 0.0, servers * limits.max_utilization / seconds
    if wait_quantile(servers, high, seconds, limits.quantile) <= limits.max_wait_seconds:
        return high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if wait_quantile(servers, middle, seconds, limits.quantile) <= limits.max_wait_seconds:
            low = middle
        else:
            high = middle
    return low
