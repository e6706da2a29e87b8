"""Starts HAProxy for Ray Serve, which runs this in place of it at each start and reload.

It writes our answers into the configuration, has a new HAProxy take over the sockets of the one
that is there, sees to it that a guard runs, and becomes HAProxy: Serve knows the process by its id.
A fault of this file costs our answers and never the door.
"""

import fcntl
import os
import resource
import shlex
import socket
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gateway.edge.answers import write_answers
from gateway.edge.binary import write_copy
from gateway.edge.configuration import (
    has_routes,
    metrics_port,
    with_answers,
    with_host,
    with_limits,
    with_metrics,
)
from gateway.edge.counts import Counts
from gateway.edge.door import Door, answers
from gateway.edge.guard import Guard
from gateway.edge.settings import DoorSettings

METRICS_HOST = "NICHE_EDGE_METRICS_HOST"
"""The variable for where the metrics listen; by default on loopback."""


def write_launcher(file: Path, binary: str) -> None:
    """Writes the program that Serve runs as HAProxy.

    Args:
        file: for `RAY_SERVE_HAPROXY_BINARY_PATH`; its folder gets a copy of HAProxy too.
        binary: HAProxy.
    """
    own = write_copy(file.with_suffix(".d"), Path(binary))
    root = Path(__file__).parent.parent.parent
    # -S: without site packages it starts in 30 ms.
    command = shlex.join([sys.executable, "-S", "-m", "gateway.edge.launcher", str(own)])
    file.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(root))} exec {command} "$@"\n')
    file.chmod(0o755)


def main(binary: str, *arguments: str) -> None:
    """Becomes HAProxy."""
    _close_inherited()
    words = list(arguments)
    try:
        words += _prepared(binary, words)
    except Exception:  # noqa: BLE001 - see above
        traceback.print_exc()
    os.execv(binary, [binary, *words])


def _close_inherited() -> None:
    """Serve hands on all that it has open, and with it pipes that the raylet, when its node is
    drained, waits to see closed before it ends: the guard would wait for the raylet then."""
    for opened in list(Path("/dev/fd").iterdir()):  # the limit of a container may be 2**30
        if int(opened.name) > sys.stderr.fileno():
            with suppress(OSError):  # that of the listing
                os.close(int(opened.name))


def _prepared(binary: str, arguments: Sequence[str]) -> list[str]:
    """Prepares a start; returns further arguments."""
    door = Door(Path(arguments[arguments.index("-f") + 1]).parent)
    # Ray ends a manager's whole process group together with it.
    os.setpgid(0, 0)
    door.manager.write_text(str(os.getppid()), encoding="utf-8")
    text = door.served.read_text(encoding="utf-8")
    settings = DoorSettings.from_environment(os.environ)
    if settings.host:  # first: what fails later leaves the door where it is
        text = with_host(text, settings.host)
        door.served.write_text(text, encoding="utf-8")
    _guarded(door, binary, metrics_port(text))
    _configure(door, text, settings)
    return [] if "-sf" in arguments else _predecessors(door)


def _configure(door: Door, text: str, settings: DoorSettings) -> None:
    """Writes in what Serve has no setting for; a new manager, which knows no replicas yet, begins
    with those that its predecessor knew."""
    text = with_answers(text, write_answers(door.folder / "answers"))
    port = int(door.access_port.read_text(encoding="utf-8"))
    text = with_metrics(text, door.exporter_socket, port)
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = sys.maxsize if files == resource.RLIM_INFINITY else files
    text = with_limits(text, settings, files)
    if has_routes(text):
        door.routed.write_text(text, encoding="utf-8")
    elif door.routed.exists():
        text = door.routed.read_text(encoding="utf-8")
    door.served.write_text(text, encoding="utf-8")


def _predecessors(door: Door) -> list[str]:
    """Arguments to take over the sockets of those that a former manager or the guard left."""
    pids = [str(pid) for pid in door.processes()]
    sockets = [path for path in (door.served_socket, door.stand_in_socket) if answers(path)]
    return ["-x", str(sockets[0]), "-sf", *pids] if pids and sockets else []


def _guarded(door: Door, binary: str, port: int | None) -> None:
    """Starts the node's guard, unless it runs."""
    lock = os.open(door.folder / "guard.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return
    lines = _access_log(door)
    # Twice, so that it is nobody's child; the lock is open in it alone when this becomes HAProxy.
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    try:
        log = os.open(door.folder / "guard.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for stream in (1, 2):
            os.dup2(log, stream)
        _guard(door, binary, lines, port)
    except BaseException:  # noqa: BLE001 - nobody is above it
        traceback.print_exc()
    os._exit(0)


def _access_log(door: Door) -> socket.socket:
    """Where the guard reads of each request. By UDP: a Unix socket keeps ten lines, and a replica
    that dies ends more requests at once."""
    lines = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    lines.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    lines.bind(("127.0.0.1", 0))
    door.access_port.write_text(str(lines.getsockname()[1]), encoding="utf-8")
    return lines


def _guard(door: Door, binary: str, lines: socket.socket, port: int | None) -> None:
    from gateway.edge.exporter import start_exporter  # noqa: PLC0415 - takes as long as a start

    counts = Counts()
    if port is not None:
        host = os.environ.get(METRICS_HOST, "127.0.0.1")
        start_exporter(door, counts, lines, (host, port))
    Guard(door, binary, int(os.environ["RAY_RAYLET_PID"]), counts).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
