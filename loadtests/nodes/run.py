"""A run: clients ask the Service the whole time, and each phase has its turn."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import aiohttp

from loadtests.chaos.requests import Asked, Client, Outcome, Result
from loadtests.nodes.chart import SERVE_PORT
from loadtests.nodes.cluster import Cluster
from loadtests.nodes.phases import Phase, start
from loadtests.nodes.service import NAME, Service
from loadtests.traffic.client import Server
from loadtests.traffic.errors import LoadTestError

TOKENS, LONG_TOKENS, TOKEN_SECONDS = 40, 450, 0.1
_LONG_EVERY = 8
"""Of so many clients one asks for long answers: longer than Ray's own limit of a drain."""
DEADLINE_SECONDS = 60.0
_SERVER = Server(f"http://{NAME}:{SERVE_PORT}", "")
_READY_SECONDS = 60.0
_CALM_SECONDS = 5.0
"""Before each phase, so that what one broke is not counted in the next."""


@dataclass(frozen=True)
class Turn:
    """A phase that was.

    Attributes:
        phase: it.
        began: when, in monotonic seconds.
        ended: likewise; the calm after it belongs to it.
        in_flight: requests that were open when it began.
        told: what it says of itself.
        fault: whether the cluster did not come to what it asked; it is the last then.
    """

    phase: Phase
    began: float
    ended: float
    in_flight: int
    told: str
    fault: bool = False


@dataclass(frozen=True)
class Run:
    """What happened."""

    turns: tuple[Turn, ...]
    results: tuple[Result, ...]

    def of(self, turn: Turn) -> list[Result]:
        """The requests that ended in a turn."""
        return [of for of in self.results if turn.began <= of.ended < turn.ended]

    def lost(self, turn: Turn) -> list[Result]:
        """Of these, those that were not answered."""
        return [of for of in self.of(turn) if of.outcome is not Outcome.ANSWERED]

    def later(self, turn: Turn) -> list[Result]:
        """Of these, those that began after the phase did."""
        return [of for of in self.lost(turn) if of.began > turn.began]


async def run(
    cluster: Cluster,
    phases: Sequence[Phase],
    say: Callable[[str], object],
    *,
    clients: int,
    seconds: float,
) -> Run:
    """Starts the cluster and has each phase happen under load.

    Args:
        cluster: with its head alone.
        phases: in their order.
        say: told of each step.
        clients: requests at once.
        seconds: for all phases; one that is cut off is the last.

    Raises:
        LoadTestError: the cluster did not start.
    """
    stopping, results, turns = asyncio.Event(), list[Result](), list[Turn]()
    watching = asyncio.create_task(cluster.service.watch(stopping))
    say("starts")
    await start(cluster)
    await cluster.ready(_READY_SECONDS)
    asking = [_client(cluster.service, number, results.append) for number in range(clients)]
    tasks = [asyncio.create_task(client.run(stopping)) for client in asking]
    until = asyncio.get_running_loop().time() + seconds
    await asyncio.sleep(_CALM_SECONDS)
    for phase in phases:
        turns.append(await _turn(cluster, phase, asking, until))
        say(f"{phase.name}: {turns[-1].told}")
        if turns[-1].fault:
            break
    stopping.set()
    await asyncio.gather(*tasks, watching)
    return Run(tuple(turns), tuple(results))


def _client(service: Service, number: int, report: Callable[[Result], object]) -> Client:
    tokens = LONG_TOKENS if number % _LONG_EVERY == 0 else TOKENS
    asked = Asked(_SERVER, "generalist", tokens, DEADLINE_SECONDS)
    return Client(asked, number, report, partial(_connector, service, number))


def _connector(service: Service, number: int) -> aiohttp.BaseConnector:
    """Every other pair of clients opens a connection for each request."""
    return aiohttp.TCPConnector(
        resolver=service, use_dns_cache=False, force_close=number // 2 % 2 == 1
    )


async def _turn(cluster: Cluster, phase: Phase, asking: Sequence[Client], until: float) -> Turn:
    in_flight, began = sum(client.began is not None for client in asking), time.monotonic()
    fault = True
    try:
        async with asyncio.timeout_at(until):
            told, fault = await phase.act(cluster), False
    except LoadTestError as error:
        told = str(error)
    except TimeoutError:
        told = "not done in time"
    await asyncio.sleep(_CALM_SECONDS)
    return Turn(phase, began, time.monotonic(), in_flight, told, fault)
