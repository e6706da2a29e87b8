"""The stream: some prompts with one generalist, the rest with another, on the same evidence."""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

import httpx

from lab.comparison.endpoint import Catalogue, Endpoint, read_catalogue
from lab.comparison.errors import ComparisonError
from lab.comparison.rows import Row
from lab.demonstration.gateway import Broken, Gateway
from lab.demonstration.records import Phase, Record, Request
from lab.demonstration.visitor import Visitor
from lab.demonstration.watch import Seen, Watch

MOST_FAILURES = 20
"""Requests in a row without an answer: then the stack is gone."""
_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True)
class Part:
    """A phase to be played: its number, the generalist as it was asked for, and its prompts."""

    phase: int
    generalist: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Pace:
    """How the stream flows.

    Attributes:
        concurrency: requests at a time.
        look_seconds: between two looks at the evidence.
        pair_seconds: how long a user waits for the other answer before it is asked for by name.
    """

    concurrency: int = 4
    look_seconds: float = 2.0
    pair_seconds: float = 60.0


@dataclass(frozen=True)
class Clocks:
    """Monotonic seconds, and Unix seconds."""

    monotonic: Callable[[], float]
    wall: Callable[[], float]


Stage = Callable[[Part], AbstractContextManager[str]]
"""Starts the stack of a phase, yields its address without `/v1`, and stops it."""


def parts(
    rows: Sequence[Row], generalists: Sequence[str], swap_at: float, seed: int
) -> tuple[Part, ...]:
    """The stream: the prompts of each domain in two phases, each phase in random order.

    Args:
        rows: all prompts.
        generalists: of both phases.
        swap_at: the share of each domain's prompts that comes before the swap.
        seed: of the orders.
    """
    rng = random.Random(seed)
    of_domains: dict[str, list[Row]] = {}
    for row in rows:
        of_domains.setdefault(row.domain, []).append(row)
    halves: tuple[list[Row], list[Row]] = ([], [])
    for found in of_domains.values():
        rng.shuffle(found)
        cut = round(swap_at * len(found))
        halves[0].extend(found[:cut])
        halves[1].extend(found[cut:])
    for half in halves:
        rng.shuffle(half)
    return tuple(
        Part(phase, name, tuple(half))
        for phase, (name, half) in enumerate(zip(generalists, halves, strict=True), start=1)
    )


def play(
    stream: Sequence[Part],
    stage: Stage,
    keep: Callable[[Record], object],
    pace: Pace,
    clocks: Clocks,
) -> None:
    """Plays all phases, one stack after the other.

    Args:
        stream: the phases.
        stage: their stacks; evidence lies where all of them find it.
        keep: writes a record down, as it comes.
        pace: how the stream flows.
        clocks: tell the time.

    Raises:
        ComparisonError: the stack has no roles, or is gone.
    """
    seen: Seen = set()
    before = 0
    for part in stream:
        with stage(part) as url:
            keep(Phase(part.phase, part.generalist, clocks.wall()))
            phase = _Phase(part, before, keep, pace, clocks)
            asyncio.run(phase.play(url, seen))
        before += len(part.rows)


class _Phase:
    """One of them."""

    def __init__(
        self,
        part: Part,
        before: int,
        keep: Callable[[Record], object],
        pace: Pace,
        clocks: Clocks,
    ) -> None:
        self._part, self._sent, self._keep = part, before, keep
        self._pace, self._clocks = pace, clocks
        self._failures = 0

    async def play(self, url: str, seen: Seen) -> None:
        """From the first look at the evidence to the last."""
        limits = httpx.Limits(max_connections=2 * self._pace.concurrency)
        async with httpx.AsyncClient(limits=limits, timeout=_TIMEOUT_SECONDS) as http:
            gateway = Gateway(http, url, self._clocks.monotonic)
            watch = Watch(gateway, self._keep, self._part.phase, lambda: self._sent, seen)
            try:
                await watch.look()
                catalogue = await read_catalogue(http, Endpoint(f"{url}/v1"))
                looking = asyncio.create_task(watch.keep_looking(self._pace.look_seconds))
                try:
                    await self._visits(self._visitor(gateway, catalogue, watch))
                finally:
                    looking.cancel()
                    with suppress(asyncio.CancelledError):
                        await looking
                await watch.look()
            except Broken as error:
                raise ComparisonError(f"{url}: {error}; see the stack's log") from error

    def _visitor(self, gateway: Gateway, catalogue: Catalogue, watch: Watch) -> Visitor:
        if catalogue.generalist is None:
            raise ComparisonError("the gateway names no generalist; is it another server?")
        specialists: Mapping[str, str] = catalogue.specialists
        return Visitor(
            gateway=gateway,
            generalist=catalogue.generalist,
            specialists=specialists,
            state=watch.state,
            wall_clock=self._clocks.wall,
            pair_seconds=self._pace.pair_seconds,
            prefix=f"demonstration-{self._clocks.wall():.0f}",
        )

    async def _visits(self, visitor: Visitor) -> None:
        waiting, count = iter(self._part.rows), self._pace.concurrency
        workers = [asyncio.create_task(self._work(visitor, waiting)) for _ in range(count)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, visitor: Visitor, waiting: Iterable[Row]) -> None:
        for row in waiting:
            self._sent += 1
            request = await visitor.visit(row, self._sent, self._part.phase)
            self._keep(request)
            self._heard(request)

    def _heard(self, request: Request) -> None:
        self._failures = self._failures + 1 if request.model is None else 0
        if self._failures >= MOST_FAILURES:
            raise Broken(f"no answer to {MOST_FAILURES} requests in a row: {request.error}")
