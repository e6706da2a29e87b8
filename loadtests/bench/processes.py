"""The processes of what was started: their CPU time and memory, and their end.

Rule: only processes that the benchmark started are ended, each by its id and start time.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from loadtests.traffic.client import Server
from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.stack import Readiness, running, stop

_SUBREAPER = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
"""Makes a process the parent of all its orphans (PR_SET_CHILD_SUBREAPER), so that its tree stays
whole when a process between them ends: HAProxy and Ray's workers would leave it otherwise."""


@dataclass(frozen=True)
class ProcessTimes:
    """The CPU seconds of a process: its own, and those of its children that ended before."""

    own: float
    ended_children: float


TreeTimes = Mapping[int, ProcessTimes]
"""The CPU times of a tree's processes, by process id."""


def cpu_seconds(before: TreeTimes, after: TreeTimes) -> float:
    """The CPU seconds that a tree used between two samples.

    A process that ended in between hands all its time to its parent, of which what it had used
    before must not count. One that ended without its parent waiting for it is lost.
    """
    own = sum(
        times.own - (before[pid].own if pid in before else 0.0) for pid, times in after.items()
    )
    handed = sum(
        times.ended_children - (before[pid].ended_children if pid in before else 0.0)
        for pid, times in after.items()
    )
    gone = sum(
        times.own + times.ended_children for pid, times in before.items() if pid not in after
    )
    return own + max(0.0, handed - gone)


def processes(root: int) -> list[psutil.Process]:
    """A process and all its descendants; empty if it ended."""
    try:
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def tree_times(root: int) -> dict[int, ProcessTimes]:
    """The CPU times of a tree, now."""
    times = {}
    for process in processes(root):
        try:
            found = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        times[process.pid] = ProcessTimes(
            found.user + found.system, found.children_user + found.children_system
        )
    return times


def tree_memory(root: int) -> tuple[int | None, int]:
    """The memory of a tree in bytes, and the number of its processes.

    Pages that processes share count once (proportional set size, PSS); None where the system does
    not tell it.

    Raises:
        LoadTestError: the processes are another user's.
    """
    total, count = 0, 0
    for process in processes(root):
        try:
            total += int(getattr(process.memory_full_info(), "pss", 0))
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied as error:
            raise LoadTestError(
                f"memory of process {process.pid}: not allowed to see it"
            ) from error
        count += 1
    return total or None, count


@contextmanager
def started(
    command: Sequence[str],
    server: Server,
    log: Path,
    readiness: Readiness,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Runs a command with its tree of processes; yields the id of its root, when it is ready.

    Raises:
        LoadTestError: it ended, or was not ready in time.
    """
    if sys.platform == "linux":
        command = [sys.executable, "-c", _SUBREAPER, *command]
    with running(command, server, log, readiness, environment, _end_tree) as pid:
        yield pid


def _end_tree(root: subprocess.Popen[bytes]) -> None:
    left = processes(root.pid)
    stop(root)
    for process in left:
        with suppress(psutil.NoSuchProcess):  # also if another process has its id by now
            process.kill()
