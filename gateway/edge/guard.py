"""Keeps a node's door open while Ray Serve has no HAProxy there, which takes it seconds to notice
and to mend.

The guard looks at the admin socket of Serve's HAProxy. Where nobody listens any more it starts a
stand-in with the last configuration that had replicas behind it; the next HAProxy of Serve takes
over its sockets (`gateway/edge/launcher.py`), and no connection is refused. It ends with its node's
raylet, and every HAProxy of the folder with it.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

from gateway.edge.configuration import hard_stop_seconds, with_socket
from gateway.edge.counts import Counts
from gateway.edge.door import Door, answers, in_flight, send

_LOOK_SECONDS = 0.05
_MISSES = 2
"""Looks in a row; a reload replaces the socket."""
_IN_FLIGHT_SECONDS = 0.5
"""How old the number of requests may be that a killed HAProxy takes with it."""
_STARTING_LOOKS = 40
"""That many more are for the first HAProxy, which starts after its guard."""


class Guard:
    """The guard of a door.

    Args:
        door: what it guards.
        binary: HAProxy.
        raylet: the process that it ends with.
        counts: where it notes how long nobody listened, and what went with a killed HAProxy.
    """

    def __init__(self, door: Door, binary: str, raylet: int, counts: Counts) -> None:
        self._door, self._binary, self._raylet, self._counts = door, binary, raylet, counts
        self._missed: int | None = -_STARTING_LOOKS  # None: Serve is to bring one first
        self._stand_in: subprocess.Popen[bytes] | None = None
        self._until = 0.0
        self._in_flight, self._asked = 0, 0.0
        self._looked: float | None = None  # None: nobody listened yet

    def run(self) -> None:
        """Guards until the node ends."""
        while _lives(self._raylet) and self._door.folder.exists():
            self.look()
            time.sleep(_LOOK_SECONDS)
        self._door.end()

    def look(self) -> None:
        """Starts a stand-in where one is needed, and lets it go where it is not."""
        if self._stand_in is not None and self._stand_in.poll() is not None:
            self._stand_in = None
        served = answers(self._door.served_socket)
        self._count_shut(served)
        if served:
            self._missed = 0
            self._ask()
            self._dismiss()
        elif self._door.stopping or (self._stand_in is not None and time.monotonic() > self._until):
            self._missed = None
            self._dismiss()
        elif self._stand_in is None and self._missed is not None:
            self._missed += 1
            if self._missed >= _MISSES and self._door.routed.exists():
                self._start()

    def _ask(self) -> None:
        """Asks what would be lost with HAProxy, from time to time."""
        if time.monotonic() > self._asked + _IN_FLIGHT_SECONDS:
            told = in_flight(self._door.served_socket)
            self._in_flight = self._in_flight if told is None else told
            self._asked = time.monotonic()

    def _count_shut(self, served: bool) -> None:
        """Counts the time in which nobody listens, after somebody first did."""
        now = time.monotonic()
        shut = not (served or self._door.stopping or answers(self._door.stand_in_socket))
        if shut and self._looked is not None:
            self._counts.shut_seconds += now - self._looked
        if served or self._looked is not None:
            self._looked = now

    def _start(self) -> None:
        self._counts.lost(self._in_flight)
        self._in_flight = 0
        text = self._door.routed.read_text(encoding="utf-8")
        self._door.stand_in.write_text(with_socket(text, self._door.stand_in_socket), "utf-8")
        command = [self._binary, "-db", "-dR", "-f", str(self._door.stand_in)]
        self._stand_in = subprocess.Popen(command)
        # As long as a replaced HAProxy: so long no other's replica gets a port that it knows.
        self._until = time.monotonic() + hard_stop_seconds(text)
        sys.stderr.write(f"HAProxy is gone; {self._stand_in.pid} stands in\n")
        self._end_manager()

    def _end_manager(self) -> None:
        """Serve will replace it in any case, and ask it first to end the HAProxys that still finish
        what they had."""
        pid = int(self._door.manager.read_text(encoding="utf-8"))
        try:
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return
        if title.startswith(b"ray::HAProxyManager"):
            send(pid, signal.SIGKILL)

    def _dismiss(self) -> None:
        if self._stand_in is not None:
            send(self._stand_in.pid, signal.SIGUSR1)  # it finishes what it has
            self._stand_in = None


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
