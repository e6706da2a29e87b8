"""What a killed `niche serve` left: HAProxys that hold its port, and its directory."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from gateway.edge.door import processes_of, send

PREFIX = "niche-"
"""Of the directory of a stack, among the temporary ones."""
_OWNER = "owner"


def claim(state_dir: Path) -> None:
    """Notes that this process runs the stack of a directory; only on Linux, as `end_orphans`."""
    if sys.platform == "linux":
        note = f"{os.getpid()} {_start_ticks(os.getpid())}"
        (state_dir / _OWNER).write_text(note, encoding="utf-8")


def end_orphans(temporary: Path) -> list[int]:
    """Ends the HAProxys of this user's stacks whose process is gone, and removes their directories;
    only on Linux, as HAProxy.

    Args:
        temporary: where directories of stacks are.

    Returns:
        The processes that were ended.
    """
    ended: list[int] = []
    for state_dir in _abandoned(temporary):
        ended += (pids := processes_of(state_dir))
        for pid in pids:
            send(pid, signal.SIGKILL)
        shutil.rmtree(state_dir, ignore_errors=True)
    psutil.wait_procs([psutil.Process(pid) for pid in ended if psutil.pid_exists(pid)], 5)
    return ended


def listener(port: int) -> str | None:
    """The process that listens on a TCP port, by name and id; None: it cannot be seen."""
    try:
        found = [
            link.pid
            for link in psutil.net_connections("tcp")
            if link.status == psutil.CONN_LISTEN and link.laddr.port == port and link.pid
        ]
        return f"{psutil.Process(found[0]).name()}, process {found[0]}" if found else None
    except psutil.Error:
        return None


def _abandoned(temporary: Path) -> Iterator[Path]:
    if sys.platform != "linux":
        return
    for state_dir in temporary.glob(f"{PREFIX}*"):
        try:
            if state_dir.stat().st_uid == os.getuid() and not _lives(state_dir):
                yield state_dir
        except (OSError, ValueError):  # it has no owner that is noted, or is no directory
            continue


def _lives(state_dir: Path) -> bool:
    pid, started = map(int, (state_dir / _OWNER).read_text(encoding="utf-8").split())
    return _start_ticks(pid) == started


def _start_ticks(pid: int) -> int | None:
    """When a process started, since the machine did: its time of day, as psutil has it, changes
    with each step of the clock. None: there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(b")")[2].split()[19])  # field 22; the name before may have spaces
