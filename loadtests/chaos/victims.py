"""The processes of a stack that a run kills or stops, found by what they are called."""

import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from loadtests.bench.processes import processes

Find = Callable[[list[psutil.Process]], list[psutil.Process]]


@dataclass(frozen=True)
class Victim:
    """A part that dies or hangs.

    Attributes:
        name: in the table.
        find: the processes of this part, of which the newest is taken.
        number: what is sent to it; after a stop it is killed at the end of its turn.
    """

    name: str
    find: Find
    number: signal.Signals = signal.SIGKILL

    def strike(self, root: int) -> tuple[psutil.Process, int]:
        """Sends the signal to one of a process's descendants; returns it, and how many connections
        it served: of a process that stands still, so that none comes or goes meanwhile.

        Raises:
            LookupError: there is no such process.
        """
        found = self.find([of for of in processes(root) if of.status() != psutil.STATUS_ZOMBIE])
        if not found:
            raise LookupError(f"{self.name}: no such process")
        process = max(found, key=lambda of: of.create_time())
        process.suspend()
        carried = served_connections(process)
        with suppress(psutil.NoSuchProcess):  # whoever watches it was faster
            process.send_signal(self.number)
        return process, carried


def served_connections(process: psutil.Process) -> int:
    """Connections that others have to the ports of a process, also those that it has not taken yet:
    as many requests it has at most."""
    own = process.net_connections("tcp")
    ports = {link.laddr.port for link in own if link.status == psutil.CONN_LISTEN}
    return sum(
        link.status == psutil.CONN_ESTABLISHED
        and link.laddr.port in ports
        and link.pid in (None, process.pid)
        for link in psutil.net_connections("tcp")
    )


def titled(title: str) -> Find:
    """Processes whose command line begins so."""
    return lambda all_of: [of for of in all_of if _line(of).startswith(title)]


def running(words: str) -> Find:
    """Processes whose command line has these words."""
    return lambda all_of: [of for of in all_of if words in _line(of)]


def haproxy(all_of: list[psutil.Process]) -> list[psutil.Process]:
    """HAProxys of Ray Serve."""
    return [of for of in all_of if of.name() == "haproxy"]


def workers(all_of: list[psutil.Process]) -> list[psutil.Process]:
    """Worker processes of uvicorn, which multiprocessing starts."""
    return [of for of in all_of if "multiprocessing.spawn" in _line(of)]


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
