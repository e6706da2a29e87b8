"""The files and processes of one node's HAProxy: all below the folder of its configuration."""

import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

STOPPING = "stopping"
"""A file beside the nodes' folders: the stack ends, and nothing is stood in for."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where a node's HAProxy keeps its files.

    Attributes:
        folder: of its configuration, and of nothing else.
    """

    folder: Path

    @property
    def served(self) -> Path:
        """Serve's configuration."""
        return self.folder / "haproxy.cfg"

    @property
    def routed(self) -> Path:
        """The last of Serve's configurations that had replicas behind it."""
        return self.folder / "routed.cfg"

    @property
    def stand_in(self) -> Path:
        """The configuration of the stand-in."""
        return self.folder / "stand-in.cfg"

    @property
    def served_socket(self) -> Path:
        """The admin socket of Serve's HAProxy."""
        return self.folder / "admin.sock"

    @property
    def stand_in_socket(self) -> Path:
        """The admin socket of the stand-in: Serve must see that its own is gone."""
        return self.folder / "standin.sock"

    @property
    def exporter_socket(self) -> Path:
        """Where HAProxy's exporter listens; a longer name might not fit a socket's path."""
        return self.folder / "exports.sock"

    @property
    def access_port(self) -> Path:
        """The port of this machine to which HAProxy logs each request, as a number."""
        return self.folder / "access.port"

    @property
    def manager(self) -> Path:
        """The process that manages Serve's HAProxy, by its id."""
        return self.folder / "manager.pid"

    @property
    def stopping(self) -> bool:
        """Whether the stack ends."""
        return (self.folder.parent / STOPPING).exists() or not self.folder.exists()

    def processes(self) -> tuple[int, ...]:
        """The HAProxys of this folder, also those that finish what they have."""
        return processes_of(self.folder)

    def end(self) -> None:
        """Ends every HAProxy of this folder."""
        for pid in self.processes():
            send(pid, signal.SIGKILL)


def processes_of(folder: Path) -> tuple[int, ...]:
    """The HAProxys whose configuration lies below a folder; none where there is no /proc."""
    mark = os.fsencode(folder) + b"/"
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            program, *words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it has just ended
            continue
        if program.endswith(b"haproxy") and any(word.startswith(mark) for word in words):
            found.append(int(entry.name))
    return tuple(found)


def answers(admin_socket: Path) -> bool:
    """Whether an HAProxy listens at an admin socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(admin_socket))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # it is there and slow
            return True
    return True


def in_flight(admin_socket: Path) -> int | None:
    """The requests that an HAProxy is about; None if it does not say, since it has just ended."""
    told = b""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(1)
        try:
            asked.connect(str(admin_socket))
            asked.sendall(b"show stat\n")
            while more := asked.recv(1 << 16):
                told += more
        except OSError:
            return None
    if not told.endswith(b"\n\n"):
        return None
    rows = [line.split(b",") for line in told.splitlines()]
    return sum(int(row[4]) for row in rows if row[1:2] == [b"BACKEND"])  # the fifth: scur


def send(pid: int, number: signal.Signals) -> None:
    """Sends a signal to a process that may have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
