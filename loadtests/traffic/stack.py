"""Our own stack, started for a run and stopped after it: from outside, as its operator does."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from loadtests.traffic.caller import Server
from loadtests.traffic.errors import TrafficError
from loadtests.traffic.probe import ready, wait_until_ready

_READY_SECONDS = 300.0
_STOP_SECONDS = 60.0
_SHOWN = 400


def command(config: Path, port: int) -> list[str]:
    """What starts our stack."""
    return [
        *(sys.executable, "-m", "cli.main", "serve"),
        *("--config", str(config), "--port", str(port)),
    ]


def free_port() -> int:
    """A TCP port of the loopback device that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    start: Sequence[str], server: Server, log: Path, seconds: float = _READY_SECONDS
) -> Iterator[None]:
    """A stack that is ready, and is stopped afterwards.

    Args:
        start: the command; it ends when it is terminated.
        server: where it will listen.
        log: what it says goes here.
        seconds: that it may take.

    Raises:
        TrafficError: it ended, or was not ready in time.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        process = subprocess.Popen(start, stdout=said, stderr=subprocess.STDOUT)
        try:
            try:
                _wait(process, server, seconds)
            except TrafficError as error:
                _stop(process)
                raise TrafficError(f"{error}; {log} ends: {_end(log)}") from None
            yield
        finally:
            _stop(process)  # also when the wait was interrupted


def _wait(process: subprocess.Popen[bytes], server: Server, seconds: float) -> None:
    waited = 0.0
    while not ready(server):
        try:
            code = process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            waited += 1
            if waited >= seconds:
                raise TrafficError(f"the stack was not ready after {seconds:g} s") from None
        else:
            raise TrafficError(f"the stack ended with exit code {code}")
    if not wait_until_ready(server, seconds):
        raise TrafficError(f"the stack was not ready for a while within {seconds:g} s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)  # what a shell starts in the background ignores SIGINT
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end(log: Path) -> str:
    return " ".join(log.read_text(errors="replace")[-_SHOWN:].split()) or "(nothing)"
