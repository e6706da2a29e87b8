"""Requests that pass through stations in turn: an event simulation of what the formulas of
`queue.py` do not cover, such as a fixed number of clients, several stations, or a request that
comes back to a station for every token.

Rule: the same seed gives the same figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_WARM_UP = 0.2
"""This share of the requests, the first, is simulated and not reported."""


@dataclass(frozen=True)
class Visit:
    """A step of every request.

    Attributes:
        station: where; a station without servers takes no queue, only time.
        seconds: the mean service time.
        variation: the coefficient of variation of the service times, which follow a gamma
            distribution; 0: all are equal, 1: they are exponential.
    """

    station: str
    seconds: float
    variation: float = 0.0


@dataclass(frozen=True)
class Run:
    """What the requests met.

    Attributes:
        rate: requests per second that ended.
        latencies: seconds from the beginning of each request to its end.
        waits: seconds in the queue, a row per request, a column per visit.
    """

    rate: float
    latencies: Floats
    waits: Floats


@dataclass(frozen=True)
class Path:
    """The steps of a request, and the stations' servers, which serve in order of arrival.

    Attributes:
        visits: the steps.
        servers: how many requests each station serves at once.
    """

    visits: Sequence[Visit]
    servers: Mapping[str, int]


def open_loop(path: Path, rate: float, requests: int, seed: int = 0) -> Run:
    """Requests arrive independently, at a mean rate per second."""
    random = np.random.default_rng(seed)
    arrivals = np.cumsum(random.exponential(1 / rate, requests))
    return _run(path, arrivals.tolist(), requests, random)


def closed_loop(path: Path, clients: int, requests: int, seed: int = 0) -> Run:
    """Each client sends its next request when it has the answer to the last."""
    return _run(path, [0.0] * clients, requests, np.random.default_rng(seed))


def _run(path: Path, starts: list[float], requests: int, random: np.random.Generator) -> Run:
    """Simulates requests; when one ends, the next begins, if not all have begun."""
    services = [_service_times(visit, requests, random) for visit in path.visits]
    free = {station: [0.0] * servers for station, servers in path.servers.items()}
    began, ended = starts + [0.0] * (requests - len(starts)), [0.0] * requests
    waits = [[0.0] * requests for _ in path.visits]
    events = [(time, number, 0) for number, time in enumerate(starts)]
    heapify(events)
    later = iter(range(len(starts), requests))
    while events:
        now, number, step = heappop(events)
        if step == len(path.visits):
            ended[number] = now
            for following in islice(later, 1):
                began[following] = now
                heappush(events, (now, following, 0))
            continue
        begin, seconds = now, services[step][number]
        servers = free.get(path.visits[step].station)
        if servers is not None:
            begin = max(now, servers[0])
            heapreplace(servers, begin + seconds)
        waits[step][number] = begin - now
        heappush(events, (begin + seconds, number, step + 1))
    return _reported(np.array(began), np.array(ended), np.array(waits).T)


def _service_times(visit: Visit, requests: int, random: np.random.Generator) -> list[float]:
    if visit.variation == 0:
        return [visit.seconds] * requests
    shape = visit.variation**-2
    times: list[float] = random.gamma(shape, visit.seconds / shape, requests).tolist()
    return times


def _reported(began: Floats, ended: Floats, waits: Floats) -> Run:
    first = round(len(began) * _WARM_UP)
    ends = np.sort(ended)[first:]
    rate = (len(ends) - 1) / (ends[-1] - ends[0])
    return Run(float(rate), (ended - began)[first:], waits[first:])
