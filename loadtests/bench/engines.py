"""`python -m loadtests.bench.engines`: our engines behind the gateway, and servers alone.

Every arm is started, loaded and stopped in turn, round by round; an interrupted run continues. A
load is a fixed number of streamed answers of at most 64 tokens by a number of clients; tokens are
those of the answers' own usage. Ratios are within a round. About five minutes a round.
"""

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import psutil
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from loadtests.bench.engine_arms import ROOT, WITH_VLLM, Alone, Arm, arms
from loadtests.bench.engine_report import report
from loadtests.bench.journal import Journal, Step
from loadtests.bench.machine import commit, describe_machine, describe_versions, load_average
from loadtests.bench.processes import processes, tree_memory
from loadtests.bench.stacks import Running
from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.prompts import read_prompts

_OUT = Path("work/engines")
_MAX_TOKENS = 64
_SECONDS = 180.0
"""After which a load has failed."""
_REPLICAS = ("ServeReplica:model-", "ServeReplica:pool-")
"""Processes of models begin so."""
_GENERALIST = "ServeReplica:model-generalist:"
_GENERAL = "general"


@dataclass(frozen=True)
class Load:
    """Clients that each ask for some answers, one after the other.

    Attributes:
        name: in the results; its figures are tokens per second and the time to the first token.
        clients: at once.
        answers: of each client.
        named: ask specialists by their names, in turn; else `auto` is asked general questions.
        only: ask this many of the specialists; None: all.
    """

    name: str
    clients: int
    answers: int
    named: bool = False
    only: int | None = None


_GENERAL_LOADS = (Load("general-1", 1, 4), Load("general-8", 8, 2))
_MIXED = Load("mixed-16", 16, 4, named=True)
_SPECIALISTS = (_MIXED, Load("single-1", 1, 6, named=True, only=1))


@dataclass(frozen=True)
class Answer:
    """One streamed answer: seconds to its first token, and its tokens."""

    first: float
    tokens: int


def loads_of(arm: Arm) -> tuple[Load, ...]:
    """The loads of an arm: general questions where one engine is compared with another,
    specialists where pools are compared with deployments of their own."""
    if isinstance(arm, Alone):
        return _GENERAL_LOADS
    if arm.engine == "vllm":  # which is slow on a CPU
        return (replace(_MIXED, answers=2),)
    return _SPECIALISTS if arm.slots is not None else (*_GENERAL_LOADS, *_SPECIALISTS)


def bodies(arm: Arm, load: Load, seed: str) -> Iterator[dict[str, Any]]:
    """The bodies of a load's requests, without end; the same for every arm."""
    random = Random(seed)
    places = itertools.cycle(range(len(arm.specialists[: load.only]) or 1))
    for number in itertools.count():
        place = next(places)
        domain = arm.domains[place] if load.named else _GENERAL
        text = read_prompts({domain: 1.0}).draw(random).text
        yield {
            "model": arm.specialists[place] if load.named else "auto",
            "messages": [{"role": "user", "content": text if load.named else _long(text, number)}],
            "max_tokens": _MAX_TOKENS,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }


def _long(text: str, number: int) -> str:
    """A question with a long answer that nobody asked before."""
    return f"{text} Explain it at length, and why. ({number})"


async def run_load(server: str, arm: Arm, load: Load, seed: str) -> dict[str, float]:
    """Tokens per second, and the median of the seconds to the first token.

    Raises:
        LoadTestError: an answer failed.
    """
    given = bodies(arm, load, seed)
    timeout, connector = ClientTimeout(total=_SECONDS), TCPConnector(limit=0, force_close=True)
    async with ClientSession(timeout=timeout, connector=connector) as session:

        async def client() -> list[Answer]:
            return [await _answer(session, server, next(given)) for _ in range(load.answers)]

        began = time.monotonic()
        found = await asyncio.gather(*(client() for _ in range(load.clients)))
        took = time.monotonic() - began
    answers = list(itertools.chain(*found))
    return {
        f"{load.name} tokens/s": sum(answer.tokens for answer in answers) / took,
        f"{load.name} first token": median(answer.first for answer in answers),
    }


async def _answer(session: ClientSession, server: str, body: Mapping[str, Any]) -> Answer:
    began, first, tokens = time.monotonic(), None, None
    async for event in _events(session, server, body):
        if first is None and any(of["delta"].get("content") for of in event["choices"]):
            first = time.monotonic() - began
        if event.get("usage"):
            tokens = event["usage"]["completion_tokens"]
    if first is None or tokens is None:
        raise LoadTestError("an answer has no text, or broke off")
    return Answer(first, tokens)


async def _events(
    session: ClientSession, server: str, body: Mapping[str, Any]
) -> AsyncGenerator[dict[str, Any]]:
    try:
        async with session.post(f"{server}/v1/chat/completions", json=body) as response:
            if response.status != 200:
                raise LoadTestError(f"{response.status}: {(await response.text())[:400]}")
            async for line in response.content:
                if line.startswith(b"data: {"):
                    event = json.loads(line[6:])
                    if "choices" not in event:
                        raise LoadTestError(f"an answer broke off: {line[:400]!r}")
                    yield event
    except (ClientError, TimeoutError) as error:
        raise LoadTestError(f"a request failed: {error!r}") from error


def memory(running: Running, arm: Arm) -> dict[str, float]:
    """The memory (PSS) of the models' processes, of those but the generalist's, and of all, in
    bytes; and the number of all."""
    assert running.pid is not None
    whole, count = tree_memory(running.pid)
    found = {"memory": float(whole or 0), "processes": float(count)}
    if isinstance(arm, Alone):
        return found
    models: dict[bool, float] = {True: 0.0, False: 0.0}
    for process in processes(running.pid):
        with suppress(psutil.NoSuchProcess):
            title = " ".join(process.cmdline())
            if any(name in title for name in _REPLICAS):
                # vLLM computes in processes of its own.
                of = [process, *process.children(recursive=True)]
                models[_GENERALIST in title] += sum(each.memory_full_info().pss for each in of)
    return found | {"models' memory": sum(models.values()), "specialists' memory": models[False]}


def measure(arm: Arm, number: int, logs: Path) -> dict[str, float]:
    """All figures of an arm in a round."""
    with tempfile.TemporaryDirectory(prefix="niche-engines-") as folder:
        began = time.monotonic()
        with arm.start(Path(folder), logs) as running:
            values = {"seconds to ready": time.monotonic() - began}
            server, loads = running.server.url, loads_of(arm)
            for load in loads:
                warm = replace(load, answers=1)
                asyncio.run(run_load(server, arm, warm, f"warm {load.name}"))
            for load in loads:
                values |= asyncio.run(run_load(server, arm, load, f"{number} {load.name}"))
            return values | memory(running, arm)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs it; returns the exit code: 0, measured; 2, it could not run; 130, interrupted."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench.engines", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these arms alone")
    parser.add_argument("--out", type=Path, default=_OUT, help=f"results (default: {_OUT})")
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier run measured")
    arguments = parser.parse_args(argv)
    if arguments.fresh:
        (arguments.out / "samples.jsonl").unlink(missing_ok=True)
    try:
        _run(arguments, _chosen(arguments.only))
    except LoadTestError as error:
        print(f"engines: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("engines: interrupted; the same command continues", file=sys.stderr)
        return 130
    return 0


def _chosen(only: Sequence[str] | None) -> tuple[Arm, ...]:
    if not WITH_VLLM.exists():
        print("engines: without vLLM, which `make test-vllm` installs", file=sys.stderr)
    every = arms()
    names = {arm.name for arm in every}
    if unknown := sorted(set(only or ()) - names):
        raise LoadTestError(f"--only: no {', '.join(unknown)}; known: {', '.join(sorted(names))}")
    return tuple(arm for arm in every if not only or arm.name in only)


def _run(arguments: argparse.Namespace, chosen: Sequence[Arm]) -> None:
    about = {
        "commit": commit(ROOT),
        "machine": describe_machine(),
        "versions": describe_versions({}),
        "titles": {arm.name: arm.title for arm in chosen},
    }
    out: Path = arguments.out
    journal = Journal(out / "samples.jsonl", about)
    if (busy := load_average()) > psutil.cpu_count(logical=True) / 2:
        journal.note(f"The machine was busy when a run began: load average {busy:.1f}.")
    for number in range(1, arguments.rounds + 1):
        for place in range(len(chosen)):
            arm = chosen[(place + number - 1) % len(chosen)]
            step = Step(number, arm.name, "engine")
            if step not in journal.done:
                print(f"engines: round {number}, {arm.name}", file=sys.stderr, flush=True)
                journal.add(step, measure(arm, number, out / "logs"))
    text = report(about, journal.samples, journal.notes)
    (out / "engines.md").write_text(text, encoding="utf-8")
    fields = about | {"samples": [asdict(sample) for sample in journal.samples]}
    (out / "engines.json").write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    sys.exit(main())
