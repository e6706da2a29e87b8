"""Starts the local stack for a run, and stops it afterwards."""

import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loadtests.traffic.client import Server
from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.probe import READY_PATH, ready, wait_until_ready

_READY_SECONDS = 300.0
_STOP_SECONDS = 60.0
_SHOWN = 400
_PORTS = (10_000, 20_000)


def serve_command(config: Path, port: int) -> list[str]:
    """The command that starts the stack."""
    return [
        *(sys.executable, "-m", "cli.main", "serve"),
        *("--config", str(config), "--port", str(port)),
    ]


def free_port() -> int:
    """A free TCP port of the loopback device, below those that systems give out by themselves: such
    a one may be taken again before it is bound, and some of Ray's fixed ones are among them."""
    while True:
        port = random.randrange(*_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass(frozen=True)
class Readiness:
    """When a started server counts as ready.

    Attributes:
        path: the path that answers 200 then.
        seconds: the time limit for it.
    """

    path: str = READY_PATH
    seconds: float = _READY_SECONDS


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a process: SIGTERM, and SIGKILL if it does not end in time."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)  # background jobs of a shell ignore SIGINT
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running(
    start: Sequence[str],
    server: Server,
    log: Path,
    readiness: Readiness = Readiness(),
    environment: Mapping[str, str] | None = None,
    end: Callable[[subprocess.Popen[bytes]], None] = stop,
) -> Iterator[int]:
    """Starts a stack, waits until it is ready, and stops it afterwards; yields its process id.

    Args:
        start: the command; it ends on SIGTERM.
        server: where it will listen.
        log: the file for its output.
        readiness: when it is ready.
        environment: all its environment variables; None: those of this process.
        end: ends it, whether it got ready or not.

    Raises:
        LoadTestError: the stack ended, or was not ready in time.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(start, stdout=output, stderr=subprocess.STDOUT, env=environment)
        try:
            try:
                _wait(process, server, readiness)
            except LoadTestError as error:
                end(process)
                raise LoadTestError(f"{error}; {log} ends: {_end(log)}") from None
            yield process.pid
        finally:
            end(process)  # also if the wait was interrupted


def _wait(process: subprocess.Popen[bytes], server: Server, readiness: Readiness) -> None:
    waited, seconds = 0.0, readiness.seconds
    while not ready(server, readiness.path):
        try:
            code = process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            waited += 1
            if waited >= seconds:
                raise LoadTestError(f"the stack was not ready after {seconds:g} s") from None
        else:
            raise LoadTestError(f"the stack ended with exit code {code}")
    if not wait_until_ready(server, seconds, readiness.path):
        raise LoadTestError(f"the stack did not stay ready within {seconds:g} s")


def _end(log: Path) -> str:
    return " ".join(log.read_text(errors="replace")[-_SHOWN:].split()) or "(nothing)"
