"""A run: clients ask the whole time, and every part of the plan is struck in its turn."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from loadtests.chaos.door import Door
from loadtests.chaos.requests import Asked, Client, Outcome, Result
from loadtests.chaos.victims import Victim

_LOOKS = 60


@dataclass(frozen=True)
class Turn:
    """A part that was struck.

    Attributes:
        victim: the part.
        struck: when, in monotonic seconds.
        ended: when the next one's turn began.
        in_flight: requests that were open then.
        carried: of these, at most as many were in the process.
    """

    victim: Victim
    struck: float
    ended: float
    in_flight: int
    carried: int


@dataclass(frozen=True)
class Run:
    """What happened to a stack."""

    name: str
    turns: tuple[Turn, ...]
    results: tuple[Result, ...]
    door: Door

    def failed(self, turn: Turn) -> list[Result]:
        """The requests that failed and ended in a turn, or were open when it began."""
        return [of for of in self.results if _failed(of) and turn.struck <= of.ended < turn.ended]

    def elsewhere(self, turn: Turn) -> int:
        """Of these, those that cannot have been in the process: they began later, and not before a
        shut door, which is measured by itself; or they were more than it had."""
        failed = self.failed(turn)
        later = [of for of in failed if of.began > turn.struck]
        here = max(len(failed) - len(later) - turn.carried, 0)
        return here + sum(of.outcome is not Outcome.REFUSED for of in later)


def _failed(result: Result) -> bool:
    return result.outcome is not Outcome.ANSWERED


async def run(
    name: str,
    asked: Asked,
    plan: Sequence[tuple[Victim, float]],
    say: Callable[[str], object],
    *,
    clients: int = 32,
    door_path: str = "/v1/models",
) -> Run:
    """Strikes each victim of the plan, among this process's descendants, and waits as long."""
    results: list[Result] = []
    stopping = asyncio.Event()
    asking = [Client(asked, number, results.append) for number in range(clients)]
    door = Door(asked.server, door_path)
    tasks = [asyncio.create_task(client.run(stopping)) for client in asking]
    tasks.append(asyncio.create_task(door.watch(stopping)))
    await asyncio.sleep(plan[0][1])
    turns = []
    for victim, seconds in plan:
        turns.append(await _turn(victim, seconds, asking))
        say(f"{name}: {victim.name}, {turns[-1].in_flight} requests in flight")
    stopping.set()
    await asyncio.gather(*tasks)
    last = turns[-1]
    turns[-1] = Turn(last.victim, last.struck, time.monotonic(), last.in_flight, last.carried)
    return Run(name, tuple(turns), tuple(results), door)


async def _turn(victim: Victim, seconds: float, clients: Sequence[Client]) -> Turn:
    process, carried = await _struck(victim)
    in_flight, struck = sum(client.began is not None for client in clients), time.monotonic()
    await asyncio.sleep(seconds)
    if victim.number is signal.SIGSTOP:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return Turn(victim, struck, time.monotonic(), in_flight, carried)


async def _struck(victim: Victim) -> tuple[psutil.Process, int]:
    """Strikes as soon as there is such a process: on a busy machine the next takes its time."""
    for _ in range(_LOOKS):
        with suppress(LookupError):
            return await asyncio.to_thread(victim.strike, os.getpid())
        await asyncio.sleep(1)
    return await asyncio.to_thread(victim.strike, os.getpid())
