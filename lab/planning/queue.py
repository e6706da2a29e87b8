"""M/M/c: requests come independently at one rate, c replicas serve one each at a time, and who
finds all of them busy waits in one line.

Engines serve several requests at once and share their passes among them; a request's engine seconds
are its share. To count a replica as one that serves so many seconds after each other has the same
capacity, and a wait that is, if anything, too long: that is the side to err on.
"""

import math
from dataclasses import dataclass

_STEPS = 60


@dataclass(frozen=True)
class Limits:
    """When replicas are enough.

    Attributes:
        busy: the share of its time that a replica works, at most.
        wait_seconds: what `quantile` of the requests wait for a replica, at most.
        quantile: of requests.
    """

    busy: float = 0.7
    wait_seconds: float = 0.5
    quantile: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.busy < 1 or not 0 < self.quantile < 1 or self.wait_seconds < 0:
            raise ValueError(f"no limits: {self}")


def busy_probability(servers: int, load: float) -> float:
    """Erlang's C: how probable it is that a request finds all servers busy.

    Args:
        servers: how many.
        load: arrivals per second times seconds of service; below `servers`.

    Raises:
        ValueError: they would never catch up.
    """
    if not 0 <= load < servers:
        raise ValueError(f"{servers} servers never end a load of {load:g}")
    if load == 0:
        return 0.0
    blocked = 1.0  # Erlang's B, by its recursion over servers
    for server in range(1, servers + 1):
        blocked = load * blocked / (server + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def wait_quantile(servers: int, rate: float, seconds: float, quantile: float) -> float:
    """The wait, in seconds, that so many of the requests do not exceed.

    Args:
        servers: how many.
        rate: requests per second.
        seconds: of service, on average.
        quantile: of the requests.
    """
    busy = busy_probability(servers, rate * seconds)
    if busy <= 1 - quantile:
        return 0.0
    return math.log(busy / (1 - quantile)) / (servers / seconds - rate)


def replicas_needed(rate: float, seconds: float, limits: Limits) -> int:
    """The fewest replicas that stay within the limits; none where nothing is asked."""
    if rate <= 0 or seconds <= 0:
        return 0
    servers = max(1, math.ceil(rate * seconds / limits.busy - 1e-9))
    while wait_quantile(servers, rate, seconds, limits.quantile) > limits.wait_seconds:
        servers += 1
    return servers


def capacity(servers: int, seconds: float, limits: Limits) -> float:
    """The most requests per second that so many replicas take within the limits."""
    if servers < 1 or seconds <= 0:
        return 0.0
    low, high = 0.0, servers * limits.busy / seconds
    if wait_quantile(servers, high, seconds, limits.quantile) <= limits.wait_seconds:
        return high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if wait_quantile(servers, middle, seconds, limits.quantile) <= limits.wait_seconds:
            low = middle
        else:
            high = middle
    return low
