"""The rounds of the benchmark, with stacks that start nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from loadtests.bench.benchmark import (
    Benchmark,
    Settings,
    seconds_of,
    steps,
    stream_values,
    whole_values,
)
from loadtests.bench.journal import Journal, Step
from loadtests.bench.load import StreamRun, WholeRun
from loadtests.bench.stacks import Arm, Kind, Running, Workspace
from loadtests.bench.stream import StreamResult
from loadtests.traffic.client import Server
from loadtests.traffic.errors import LoadTestError

SETTINGS = Settings(rounds=3, seconds=1.0, clients=(1, 16), rest_seconds=0.0, idle_seconds=0.01)
SERVER = Server("http://127.0.0.1:1")


@dataclass
class FakeStack:
    """A stack that is only at rest, in this process."""

    name: str
    starts: list[str]
    failures: int = 0
    arms: tuple[Arm, ...] = ()
    kinds: tuple[Kind, ...] = ("memory", "idle")
    title: str = field(default="a fake", init=False)

    @contextmanager
    def start(self, workspace: Workspace) -> Iterator[Running]:
        self.starts.append(self.name)
        if self.failures:
            self.failures -= 1
            raise LoadTestError("it is not installed")
        yield Running(SERVER, os.getpid())


def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "samples.jsonl", {})


def benchmark(tmp_path: Path, stacks, settings: Settings = SETTINGS) -> Benchmark:
    workspace = Workspace(tmp_path, tmp_path, "key", SERVER)
    return Benchmark(settings, stacks, workspace, journal(tmp_path), [].append)


def test_stacks_take_turns(tmp_path) -> None:
    """But the first is first in every round, since the others are compared with it."""
    starts: list[str] = []

    benchmark(tmp_path, [FakeStack(name, starts) for name in "abc"]).run()

    assert "".join(starts) == "abc" + "acb" + "abc"


def test_everything_is_measured_in_every_round(tmp_path) -> None:
    """And written as it comes."""
    seen: list[int] = []
    stack = FakeStack("a", [])

    benchmark(tmp_path, [stack]).run(lambda: seen.append(len(journal(tmp_path).samples)))

    assert seen == [2, 4, 6]
    assert journal(tmp_path).done == {
        step for number in (1, 2, 3) for step, _ in steps(SETTINGS, stack, number)
    }
    memory = journal(tmp_path).values(Step(1, "a", "memory"))
    assert memory is not None
    assert memory["processes"] >= 1


def test_what_was_measured_before_is_not_measured_again(tmp_path) -> None:
    """A stack of which nothing is missing is not started."""
    starts: list[str] = []
    kept = journal(tmp_path)
    for step, _ in steps(SETTINGS, FakeStack("a", []), 1):
        kept.add(step, {})

    benchmark(tmp_path, [FakeStack("a", starts), FakeStack("b", starts)]).run()

    assert starts == ["b", "a", "b", "a", "b"]
    assert journal(tmp_path).values(Step(1, "a", "idle")) == {}


def test_a_stack_that_does_not_start_is_left_out(tmp_path) -> None:
    """After a second try; the report says why, and the others are measured."""
    starts: list[str] = []

    benchmark(tmp_path, [FakeStack("a", starts), FakeStack("b", starts, failures=9)]).run()

    assert starts == ["a", "b", "b", "a", "a"]
    assert {step.name for step in journal(tmp_path).done} == {"a"}
    [note] = journal(tmp_path).notes
    assert "it is not installed" in note


def test_a_stack_that_starts_at_the_second_try_is_measured(tmp_path) -> None:
    """As if it had at the first."""
    starts: list[str] = []

    benchmark(tmp_path, [FakeStack("a", starts, failures=1)]).run()

    assert starts == ["a"] * 4
    assert {step.round for step in journal(tmp_path).done} == {1, 2, 3}
    assert journal(tmp_path).notes == []


def test_a_measurement_that_fails_does_not_end_the_run(tmp_path) -> None:
    """Here the bare upstream's capacity is missing, without which others' is not searched."""
    stack = FakeStack("a", [], arms=(Arm("x", "X", "m"),), kinds=("capacity", "memory"))

    benchmark(tmp_path, [stack], replace(SETTINGS, rounds=1)).run()

    assert {step.kind for step in journal(tmp_path).done} == {"memory"}
    assert any("capacity" in note for note in journal(tmp_path).notes)


def test_the_steps_are_in_order() -> None:
    """At rest before any load; then each arm with all numbers of clients; memory after it."""
    arms = (Arm("x", "X", "m"), Arm("y", "Y", "n"))
    kinds: tuple[Kind, ...] = ("memory", "capacity", "streams", "whole", "idle")

    found = [step for step, _ in steps(SETTINGS, FakeStack("a", [], arms=arms, kinds=kinds), 2)]

    assert [(of.name, of.kind, of.clients) for of in found] == [
        ("a", "idle", 0),
        *(("x", "whole", clients) for clients in (1, 16)),
        *(("y", "whole", clients) for clients in (1, 16)),
        *(("x", "streams", clients) for clients in (1, 16)),
        *(("y", "streams", clients) for clients in (1, 16)),
        ("x", "capacity", 0),
        ("y", "capacity", 0),
        ("a", "memory", 0),
    ]


@pytest.mark.parametrize("kind", ["whole", "streams", "capacity", "idle"])
def test_what_takes_time_has_an_estimate(kind: Kind) -> None:
    """Of some seconds."""
    assert 0 < seconds_of(SETTINGS, Step(1, "a", kind)) < 100


def test_the_figures_of_streams_are_of_those_with_tokens() -> None:
    """Those without one count as stalled and failed."""
    streams = (
        StreamResult(0.1, 0.02, 32, complete=True),
        StreamResult(0.3, 0.5, 32, complete=True),
        StreamResult(None, 0.0, 0, complete=False),
    )

    values = stream_values(StreamRun(streams, 64.0, 1, 0.2))

    assert (values["first_p50_seconds"], values["first_p99_seconds"]) == (0.1, 0.3)
    assert (values["worst_gap_p50_seconds"], values["worst_gap_seconds"]) == (0.02, 0.5)
    assert values["stall_free_share"] == pytest.approx(1 / 3)
    assert (values["streams"], values["failed"]) == (3, 1)


def test_the_figures_of_whole_answers_have_their_failures() -> None:
    """Beside the rate."""
    values = whole_values(WholeRun(50.0, 0.1, 0.2, 100, 16, 3, 4))

    assert values["requests_per_second"] == 50.0
    assert (values["completed"], values["failed"], values["timed_out"]) == (100, 3, 4)
