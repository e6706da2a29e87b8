"""A run: a polite client asks without an abuse, beside it, and without it again."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from loadtests.abuse.attacker import BEGUN, READY
from loadtests.abuse.attacks import ATTACKS
from loadtests.abuse.hostile import Order, Spoils
from loadtests.abuse.report import Measured, Polite
from loadtests.abuse.stacks import Attacked
from loadtests.overload.clients import Load, arriving
from loadtests.traffic.errors import LoadTestError

SOURCE = "127.0.0.2"
"""Whence hostile clients come; the polite one comes from 127.0.0.1."""

_PATIENCE_SECONDS = 10.0
_CALM_SECONDS = 2.0
"""After an abuse, before the polite client is measured without it again."""
_END_SECONDS = 120.0
"""What an abuse that is bounded by its acts may take after its time."""


@dataclass(frozen=True)
class Plan:
    """How long and how often.

    Attributes:
        rounds: how often an abuse is done, with a quiet time before and after each.
        seconds: of each time.
        clients: hostile ones; None: as many as the abuse has.
    """

    rounds: int
    seconds: float
    clients: int | None = None


async def measure(abuse: str, attacked: Attacked, rate: float, plan: Plan) -> Measured:
    """Does one abuse.

    Args:
        abuse: its name.
        attacked: the stack.
        rate: of the polite client's requests, a second.
        plan: how long and how often.

    Raises:
        LoadTestError: the hostile clients did not do it.
    """
    quiet, abused, spoils, memory = [], list[Polite](), list[Spoils](), list[tuple[int, int]]()
    quiet.append(_polite(await _asked(attacked, rate, plan.seconds)))
    for _ in range(plan.rounds):
        async with _child("attacker") as hostile, _sampled(attacked.pid, memory):
            await hostile.expect(READY)
            hostile.say(_order(abuse, attacked, plan).to_json())
            await hostile.expect(BEGUN)
            abused.append(_polite(await _asked(attacked, rate, plan.seconds)))
            spoils.append(await _spoils(abuse, hostile))
        await asyncio.sleep(_CALM_SECONDS)
        quiet.append(_polite(await _asked(attacked, rate, plan.seconds)))
    return Measured(
        abuse=abuse,
        clients=plan.clients or ATTACKS[abuse].clients,
        quiet=tuple(quiet),
        abused=tuple(abused),
        spoils=_sum(spoils),
        growth_bytes=max(most for _, most in memory) - memory[0][0] if memory else None,
    )


async def _asked(attacked: Attacked, rate: float, seconds: float) -> Load:
    return await arriving(attacked.target, rate, seconds, _PATIENCE_SECONDS)


def _polite(load: Load) -> Polite:
    answered = [of.seconds for of in load.visits if of.outcome == "answered"]
    failed = Counter[str](of.outcome for of in load.visits if of.outcome != "answered")
    return Polite(tuple(round(of, 4) for of in answered), dict(failed))


def _order(abuse: str, attacked: Attacked, plan: Plan) -> Order:
    parts = urlsplit(attacked.target.server.url)
    return Order(
        abuse=abuse,
        address=(str(parts.hostname), parts.port or 80),
        source=SOURCE,
        keys=attacked.keys,
        model=attacked.target.model,
        clients=plan.clients or ATTACKS[abuse].clients,
        seconds=plan.seconds,
    )


def _sum(spoils: Sequence[Spoils]) -> Spoils:
    seen, facts = Counter[str](), Counter[str]()
    for of in spoils:
        seen.update(of.seen)
        facts.update(of.facts)
    return Spoils(dict(seen), dict(facts), round(sum(of.cpu_seconds for of in spoils), 3))


async def _spoils(abuse: str, hostile: "_Child") -> Spoils:
    try:
        async with asyncio.timeout(_END_SECONDS):
            return Spoils(**json.loads(await hostile.line()))
    except (TimeoutError, ValueError, TypeError) as error:
        raise LoadTestError(f"{abuse}: the hostile clients did not finish: {error!r}") from error


@asynccontextmanager
async def _sampled(pid: int | None, memory: list[tuple[int, int]]) -> AsyncIterator[None]:
    """Adds the memory at the begin and the most meanwhile, in bytes."""
    if pid is None:
        yield
        return
    async with _child("memory") as sampler:
        sampler.say(json.dumps(pid))
        first = int(await sampler.line())
        yield
        sampler.close()
        memory.append((first, int(await sampler.line())))


@dataclass(frozen=True)
class _Child:
    """A module of this package in a process of its own, which speaks in lines."""

    process: asyncio.subprocess.Process

    async def line(self) -> str:
        """The next line that it writes; empty when it has ended."""
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().strip()

    async def expect(self, line: str) -> None:
        """Waits for a line; raises LoadTestError if another comes, or none."""
        if (found := await self.line()) != line:
            raise LoadTestError(f"the hostile clients say {found!r} instead of {line!r}")

    def say(self, line: str) -> None:
        """Sends it a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())

    def close(self) -> None:
        """Closes its input, which ends it."""
        assert self.process.stdin is not None
        self.process.stdin.close()


@asynccontextmanager
async def _child(module: str) -> AsyncIterator[_Child]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"loadtests.abuse.{module}"), stdin=pipe, stdout=pipe
    )
    child = _Child(process)
    try:
        yield child
    finally:
        child.close()
        await process.wait()
