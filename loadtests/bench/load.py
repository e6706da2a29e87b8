"""Loads a server for some seconds and gives the figures.

Whole answers come from wrk where it is installed, else from the same client processes as streams.
wrk does not wait for the answers that are under way at the end; the client does.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtests.bench.client import KEY_VARIABLE, MAX_REQUESTS, READY, ClientTask, Tally, merged
from loadtests.bench.spread import percentile
from loadtests.bench.stream import StreamResult
from loadtests.bench.upstream import PACE_SECONDS, STREAM_TOKENS
from loadtests.traffic.client import Server
from loadtests.traffic.errors import LoadTestError

_SCRIPT = Path(__file__).with_name("whole.lua")
_CLIENTS_PER_PROCESS = 32
_LEAD_SECONDS = 0.05
"""From the word to the processes until they begin."""
_SPARE_SECONDS = 30.0
_STAGGER_SECONDS = STREAM_TOKENS * PACE_SECONDS
"""Of streams: one stream's length, over which the clients begin."""
_PATH = "/v1/chat/completions"


@dataclass(frozen=True)
class Limits:
    """The bounds of every load.

    Attributes:
        timeout: seconds after which a request has failed.
        processes: the most client processes.
    """

    timeout: float = 10.0
    processes: int = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Target:
    """What is loaded: a server, and the file of request bodies for it, one a line."""

    server: Server
    bodies: Path

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"{self.server.url}{_PATH}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a load generator, with the API key."""
        environment = {name: of for name, of in os.environ.items() if name != KEY_VARIABLE}
        return environment | ({KEY_VARIABLE: self.server.key} if self.server.key else {})


@dataclass(frozen=True)
class WholeRun:
    """Whole answers in a run.

    Attributes:
        requests_per_second: answered in time.
        p50, p99: seconds of an answer; None without any.
        completed: answered requests.
        abandoned: requests that were under way when the load generator stopped.
        failed: requests that were not answered, without `timed_out`.
        timed_out: requests without an answer in time.
    """

    requests_per_second: float
    p50: float | None
    p99: float | None
    completed: int
    abandoned: int
    failed: int
    timed_out: int

    @property
    def worked(self) -> float:
        """The requests' worth of work: an abandoned request is half done on average."""
        return self.completed + self.failed + self.timed_out + self.abandoned / 2


def wrk_version() -> str | None:
    """The version of wrk; None if it is not installed."""
    path = shutil.which("wrk")
    if path is None:
        return None
    done = subprocess.run([path, "-v"], capture_output=True, text=True, check=False, timeout=10)
    return done.stdout.partition("\n")[0].partition("[")[0].removeprefix("wrk").strip()


def run_wrk(
    target: Target, clients: int, seconds: float, number: int, limits: Limits = Limits()
) -> WholeRun:
    """Whole answers with wrk.

    Args:
        target: what is loaded.
        clients: connections, each with one request at a time.
        seconds: the duration.
        number: of the first request; it makes the prompts of this run different from others'.
        limits: the bounds.

    Raises:
        LoadTestError: wrk failed.
    """
    command = [
        *("wrk", "-t1", f"-c{clients}", f"-d{math.ceil(seconds)}s"),
        *("--timeout", f"{math.ceil(limits.timeout)}s", "-s", str(_SCRIPT), target.url),
        *("--", str(target.bodies), str(number)),
    ]
    try:
        done = subprocess.run(
            command,
            env=target.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + _SPARE_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LoadTestError(f"wrk failed: {error}") from error
    return read_wrk(done.stdout, clients)


def read_wrk(output: str, clients: int) -> WholeRun:
    """The figures in wrk's output, of which our script writes the last line.

    wrk counts every answer as a request, errors too, and times those as well.

    Raises:
        LoadTestError: the line is not there.
    """
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise LoadTestError(f"wrk wrote no figures: {output[-400:]!r}")
    found = json.loads(lines[-1])
    completed = found["requests"] - found["status"]
    answered = found["requests"] > 0
    return WholeRun(
        requests_per_second=completed / found["seconds"],
        p50=found["p50"] if answered else None,
        p99=found["p99"] if answered else None,
        completed=completed,
        abandoned=clients,
        failed=found["status"] + found["socket"],
        timed_out=found["timeout"],
    )


def run_whole(
    target: Target, clients: int, seconds: float, number: int, limits: Limits = Limits()
) -> WholeRun:
    """Whole answers with the client processes; arguments as for `run_wrk`."""
    tally = _run_clients(target, (clients, seconds, number), limits, stream=False)
    return WholeRun(
        requests_per_second=tally.in_time / seconds,
        p50=percentile(tally.latencies, 0.5),
        p99=percentile(tally.latencies, 0.99),
        completed=tally.completed,
        abandoned=0,
        failed=sum(tally.failed.values()),
        timed_out=tally.timed_out,
    )


@dataclass(frozen=True)
class StreamRun:
    """Streams in a run.

    Attributes:
        streams: each of them.
        tokens_per_second: while all clients were at work.
        failed: streams that were refused, cut or timed out.
        busy: the share of a core that the busiest client process used.
    """

    streams: tuple[StreamResult, ...]
    tokens_per_second: float
    failed: int
    busy: float


def run_streams(
    target: Target, clients: int, seconds: float, number: int, limits: Limits = Limits()
) -> StreamRun:
    """Streams with the client processes; arguments as for `run_wrk`."""
    tally = _run_clients(target, (clients, seconds, number), limits, stream=True)
    return StreamRun(
        streams=tally.stream_results,
        tokens_per_second=tally.tokens_in_time / max(seconds - _STAGGER_SECONDS, 1e-9),
        failed=sum(tally.failed.values()) + tally.timed_out,
        busy=tally.busy,
    )


def _run_clients(
    target: Target, amount: tuple[int, float, int], limits: Limits, *, stream: bool
) -> Tally:
    clients, seconds, number = amount
    count = min(limits.processes, math.ceil(clients / _CLIENTS_PER_PROCESS))
    shares = [clients // count + (index < clients % count) for index in range(count)]
    bodies = tuple(target.bodies.read_text(encoding="utf-8").splitlines())
    tasks = [
        ClientTask(
            url=target.url,
            bodies=bodies,
            number=number + index * MAX_REQUESTS,
            stream=stream,
            clients=share,
            seconds=seconds,
            timeout=limits.timeout,
            stagger=_STAGGER_SECONDS if stream else 0.0,
        )
        for index, share in enumerate(shares)
    ]
    processes = [_started(target) for _ in tasks]
    try:
        return _together(tasks, processes, seconds + limits.timeout + _SPARE_SECONDS)
    except OSError as error:
        raise LoadTestError(f"a client process ended: {error}") from error
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _started(target: Target) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "loadtests.bench.client"]
    return subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=target.environment
    )


def _together(
    tasks: Sequence[ClientTask], processes: Sequence[subprocess.Popen[str]], within: float
) -> Tally:
    """Has the processes begin together; returns what they saw."""
    for task, process in zip(tasks, processes, strict=True):
        _send(process, json.dumps(asdict(task)))
    for process in processes:
        if process.stdout is None or process.stdout.readline().strip() != READY:
            raise LoadTestError(f"a client process failed: {process.communicate()[1][-400:]}")
    start = time.monotonic() + _LEAD_SECONDS
    for process in processes:
        _send(process, str(start))
    return merged([_tally(process, within) for process in processes])


def _send(process: subprocess.Popen[str], line: str) -> None:
    if process.stdin is not None:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()


def _tally(process: subprocess.Popen[str], within: float) -> Tally:
    try:
        output, errors = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        raise LoadTestError(f"a client process did not end within {within:g} s") from None
    if process.returncode:
        raise LoadTestError(f"a client process failed: {errors[-400:]}")
    return Tally(**json.loads(output))
