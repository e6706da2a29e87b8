"""M/M/c: requests come independently at one rate, c replicas serve one each at a time, and who
finds all of them busy waits in one queue.

Engines serve several requests at once and share their passes among them; a request's engine seconds
are its share. To count a replica as one that serves so many seconds after each other has the same
capacity, and a wait that is, if anything, too long: that is the side to err on.
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
    """When replicas are enough.

    Attributes:
        max_utilization: the share of its time that a replica works, at most.
        max_wait_seconds: what `quantile` of the requests wait for a replica, at most.
        quantile: of requests.
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
            raise ValueError(f"no limits: {self}")


def busy_probability(servers: Numbers, load: Numbers) -> Floats:
    """Erlang's C: how probable it is that a request finds all servers busy.

    Args:
        servers: how many, one at least.
        load: arrivals per second times seconds of service; below `servers`.

    Raises:
        ValueError: they would never catch up.
    """
    servers, load = np.asarray(servers, np.float64), np.asarray(load, np.float64)
    if not ((load >= 0) & (load < servers)).all():
        raise ValueError(f"{servers} servers never end a load of {load}")
    # Erlang's B: a ratio of Poisson probabilities.
    exactly = np.exp(xlogy(servers, load) - load - gammaln(servers + 1))
    blocked = exactly / pdtr(servers, load)
    return np.asarray(blocked / (1 - load / servers * (1 - blocked)))


def wait_quantile(servers: Numbers, rate: Numbers, seconds: Numbers, quantile: float) -> Floats:
    """The wait, in seconds, that so many of the requests do not exceed.

    Args:
        servers: how many.
        rate: requests per second.
        seconds: of service, on average.
        quantile: of the requests.
    """
    load = np.multiply(rate, seconds)
    longer = busy_probability(servers, load) / (1 - quantile)
    return np.asarray(seconds * np.log(np.maximum(longer, 1.0)) / (servers - load))


def replicas_needed(rate: Numbers, seconds: Numbers, limits: Limits) -> Floats:
    """The fewest replicas that stay within the limits; none where nothing is asked.

    Args:
        rate: requests per second; many at once, if wished.
        seconds: of service, on average.
        limits: see there.
    """
    load = np.multiply(rate, seconds)
    servers = np.maximum(1, np.ceil(load / limits.max_utilization - 1e-9))
    while True:
        wait = wait_quantile(servers, rate, seconds, limits.quantile)
        if not (wait > limits.max_wait_seconds).any():
            return np.asarray(np.where(load > 0, servers, 0.0))
        servers = servers + (wait > limits.max_wait_seconds)


def capacity(servers: int, seconds: float, limits: Limits) -> float:
    """The most requests per second that so many replicas take within the limits."""
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
