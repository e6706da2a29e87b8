"""The rounds of the benchmark: every stack is started, measured and stopped in turn."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from loadtests.bench.bodies import write_bodies
from loadtests.bench.capacity import LARGEST, REQUIRED_SHARE, UPSTREAM_SHARE, step_up
from loadtests.bench.client import MAX_REQUESTS
from loadtests.bench.journal import Journal, Step
from loadtests.bench.load import (
    StreamRun,
    Target,
    WholeRun,
    run_streams,
    run_whole,
    run_wrk,
    wrk_version,
)
from loadtests.bench.processes import cpu_seconds, tree_memory, tree_times
from loadtests.bench.spread import percentile
from loadtests.bench.stacks import BARE, Arm, Running, Stack, Workspace
from loadtests.bench.stream import stall_free_share
from loadtests.bench.upstream import PACE_SECONDS
from loadtests.traffic.errors import LoadTestError

_CAPACITY_SECONDS = 3.0
_SETTLE_SECONDS = 0.5
"""After a load, for what wrk left under way."""
_STARTS = 2
"""Tries to start a stack: another process may take a port that was free when it was chosen."""
_WARM_UP_CLIENTS = 16
_ORDER = ("idle", "whole", "streams", "capacity", "memory")
_START_SECONDS = 45.0
"""Start and end of a stack, for the estimate alone."""
_LOAD_SECONDS = 2.0
"""What a load takes beside its duration, for the estimate alone."""
_CAPACITY_LOADS = 9


@dataclass(frozen=True)
class Settings:
    """The size of a run.

    Attributes:
        rounds: how often everything is measured.
        seconds: of each load.
        clients: numbers of requests at once.
        rest_seconds: after a start, before a stack counts as at rest.
        idle_seconds: of the measurement at rest.
        most_streams: more streams at once are not tried.
    """

    rounds: int = 5
    seconds: float = 6.0
    clients: tuple[int, ...] = (1, 16, 64)
    rest_seconds: float = 5.0
    idle_seconds: float = 15.0
    most_streams: int = LARGEST


QUICK = Settings(rounds=1, seconds=2.0, idle_seconds=5.0, most_streams=64)
"""Shows that everything works; its figures are too few."""


def steps(settings: Settings, stack: Stack, number: int) -> Iterator[tuple[Step, Arm | None]]:
    """The measurements of a stack in a round, in order."""
    for kind in sorted(stack.kinds, key=_ORDER.index):
        if kind in ("idle", "memory"):
            yield Step(number, stack.name, kind), None
            continue
        for arm in stack.arms:
            for clients in (0,) if kind == "capacity" else settings.clients:
                yield Step(number, arm.name, kind, clients), arm


def seconds_of(settings: Settings, step: Step) -> float:
    """About how long a measurement takes."""
    if step.kind == "idle":
        return settings.idle_seconds + settings.rest_seconds
    if step.kind == "capacity":
        return _CAPACITY_LOADS * (min(settings.seconds, _CAPACITY_SECONDS) + _LOAD_SECONDS)
    return 0.0 if step.kind == "memory" else settings.seconds + _LOAD_SECONDS


class Benchmark:
    """A run.

    Args:
        settings: its size.
        stacks: what is measured; the bare upstream first.
        workspace: what they share.
        journal: what was measured so far; it gets the rest.
        say: called with a line on what happens.
    """

    def __init__(
        self,
        settings: Settings,
        stacks: Sequence[Stack],
        workspace: Workspace,
        journal: Journal,
        say: Callable[[str], object],
    ) -> None:
        self._settings, self._stacks, self._workspace = settings, stacks, workspace
        self._journal, self._say = journal, say
        self._wrk = wrk_version() is not None
        self._loads = 0
        self._left_out: set[str] = set()

    def run(self, after_stack: Callable[[], object] = lambda: None) -> None:
        """Measures what is not measured yet; `after_stack` is called after each stack."""
        self._say(f"{len(self._missing())} measurements, {len(self._journal.done)} are there")
        for number in range(1, self._settings.rounds + 1):
            for stack in self._order(number):
                if self._missing([stack], number) and stack.name not in self._left_out:
                    self._measure_stack(stack, number)
                    after_stack()

    def _order(self, number: int) -> list[Stack]:
        """The bare upstream first, since others are compared with it; the rest takes turns."""
        first, *rest = self._stacks
        turn = (number - 1) % max(len(rest), 1)
        return [first, *rest[turn:], *rest[:turn]]

    def _missing(
        self, stacks: Sequence[Stack] | None = None, number: int | None = None
    ) -> list[Step]:
        rounds = range(1, self._settings.rounds + 1) if number is None else (number,)
        return [
            step
            for each in rounds
            for stack in (self._stacks if stacks is None else stacks)
            for step, _ in steps(self._settings, stack, each)
            if step not in self._journal.done and stack.name not in self._left_out
        ]

    def _minutes(self) -> int:
        missing = self._missing()
        seconds = sum(seconds_of(self._settings, step) for step in missing)
        starts = len({(step.round, step.name.partition("-")[0]) for step in missing})
        return round((seconds + starts * _START_SECONDS) / 60) + 1

    def _measure_stack(self, stack: Stack, number: int) -> None:
        rounds, left = self._settings.rounds, self._minutes()
        self._say(f"round {number} of {rounds}: {stack.name}; about {left} minutes left")
        with ExitStack() as context:
            running = self._started(stack, context)
            if running is not None:
                self._measure_steps(stack, number, running)

    def _started(self, stack: Stack, context: ExitStack) -> Running | None:
        """Starts a stack; None, and left out from now on, if it does not start."""
        reason = ""
        for _ in range(_STARTS):
            try:
                return context.enter_context(stack.start(self._workspace))
            except LoadTestError as error:
                reason = str(error)
                self._say(f"{stack.name} did not start: {reason}")
        self._left_out.add(stack.name)
        self._journal.note(f"{stack.name} was left out: {reason}")
        return None

    def _measure_steps(self, stack: Stack, number: int, running: Running) -> None:
        warm: set[tuple[str, str]] = set()
        for step, arm in steps(self._settings, stack, number):
            if step in self._journal.done:
                continue
            try:
                if arm is None:
                    values = self._at_rest(step, running)
                else:
                    if (arm.name, step.kind) not in warm:
                        self._warm_up(step, self._target(step, arm, running))
                        warm.add((arm.name, step.kind))
                    values = self._under_load(step, self._target(step, arm, running), running)
            except LoadTestError as error:
                self._remark(f"{step.name}, {step.kind}, round {number}: {error}")
                continue
            self._journal.add(step, values)
            self._say(f"  {_shown(step, values)}")

    def _remark(self, text: str) -> None:
        self._journal.note(text)
        self._say(text)

    def _target(self, step: Step, arm: Arm, running: Running) -> Target:
        stream = step.kind != "whole"
        return Target(
            running.server, write_bodies(self._workspace.folder, arm.model, stream=stream)
        )

    def _warm_up(self, step: Step, target: Target) -> None:
        clients = min(_WARM_UP_CLIENTS, max(self._settings.clients))
        if step.kind == "whole":
            self._whole(target, clients, 1.0)
        else:
            run_streams(target, clients, 1.0, self._next_number())

    def _at_rest(self, step: Step, running: Running) -> Mapping[str, Any]:
        if running.pid is None:
            return {}
        if step.kind == "memory":
            memory, count = tree_memory(running.pid)
            return {"memory_bytes": memory, "processes": count}
        time.sleep(self._settings.rest_seconds)
        before, began = tree_times(running.pid), time.monotonic()
        time.sleep(self._settings.idle_seconds)
        used = cpu_seconds(before, tree_times(running.pid))
        return {"cpu_share": used / (time.monotonic() - began)}

    def _under_load(self, step: Step, target: Target, running: Running) -> Mapping[str, Any]:
        if step.kind == "capacity":
            return self._capacity(step, target)
        before = None if running.pid is None else tree_times(running.pid)
        if step.kind == "whole":
            whole = self._whole(target, step.clients, self._settings.seconds)
            values, work = whole_values(whole), whole.worked
        else:
            run = run_streams(target, step.clients, self._settings.seconds, self._next_number())
            values, work = stream_values(run), float(sum(of.tokens for of in run.streams))
        if before is not None and running.pid is not None and work:
            values["cpu_seconds_each"] = cpu_seconds(before, tree_times(running.pid)) / work
        time.sleep(_SETTLE_SECONDS)
        return values

    def _whole(self, target: Target, clients: int, seconds: float) -> WholeRun:
        run = run_wrk if self._wrk else run_whole
        return run(target, clients, seconds, self._next_number())

    def _next_number(self) -> int:
        """The first number of a load, far enough from those of others."""
        self._loads += 1
        return self._loads * 10 * MAX_REQUESTS

    def _capacity(self, step: Step, target: Target) -> Mapping[str, Any]:
        most, required = self._settings.most_streams, REQUIRED_SHARE
        seconds = min(self._settings.seconds, _CAPACITY_SECONDS)
        if step.name == BARE:
            required = UPSTREAM_SHARE
        else:
            bare = self._journal.values(Step(step.round, BARE, "capacity"))
            if bare is None:
                raise LoadTestError("the bare upstream's capacity is not known")
            most = int(bare["streams"])

        def share_of(streams: int) -> float:
            run = run_streams(target, streams, seconds, self._next_number())
            share = stall_free_share(run.streams, PACE_SECONDS)
            self._say(f"  {step.name}: {streams} streams, {share:.1%} without a stall")
            return share

        return asdict(step_up(share_of, required, most))


def whole_values(run: WholeRun) -> dict[str, Any]:
    """The figures of whole answers, as JSON values."""
    return {
        "requests_per_second": run.requests_per_second,
        "p50_seconds": run.p50,
        "p99_seconds": run.p99,
        "completed": run.completed,
        "failed": run.failed,
        "timed_out": run.timed_out,
    }


def stream_values(run: StreamRun) -> dict[str, Any]:
    """The figures of streams, as JSON values."""
    firsts = [of.first for of in run.streams if of.first is not None]
    gaps = [of.worst_gap for of in run.streams if of.first is not None]
    return {
        "streams": len(run.streams),
        "first_p50_seconds": percentile(firsts, 0.5),
        "first_p99_seconds": percentile(firsts, 0.99),
        "worst_gap_p50_seconds": percentile(gaps, 0.5),
        "worst_gap_p99_seconds": percentile(gaps, 0.99),
        "worst_gap_seconds": percentile(gaps, 1.0),
        "tokens_per_second": run.tokens_per_second,
        "stall_free_share": stall_free_share(run.streams, PACE_SECONDS),
        "failed": run.failed,
        "client_busy": run.busy,
    }


_SHOWN = {
    "requests_per_second": ("requests/s", 1.0),
    "first_p50_seconds": ("ms to the first token", 1000.0),
    "tokens_per_second": ("tokens/s", 1.0),
    "p50_seconds": ("ms p50", 1000.0),
    "p99_seconds": ("ms p99", 1000.0),
    "worst_gap_p99_seconds": ("ms worst gap p99", 1000.0),
    "streams": ("streams", 1.0),
    "failed": ("failed", 1.0),
    "timed_out": ("timed out", 1.0),
    "cpu_share": ("% of a core", 100.0),
    "memory_bytes": ("MB", 1e-6),
    "processes": ("processes", 1.0),
}
"""What the progress shows of a measurement: a unit and a factor by figure."""


def _shown(step: Step, values: Mapping[str, Any]) -> str:
    """A measurement in a line."""
    figures = [
        f"{values[name] * factor:.4g} {unit}"
        for name, (unit, factor) in _SHOWN.items()
        if values.get(name) is not None
    ]
    clients = f" at {step.clients}" if step.clients else ""
    return f"{step.name}, {step.kind}{clients}: {', '.join(figures) or 'nothing to measure'}"
