"""The CPU time of a tree of processes, and its end."""

import sys

import psutil
import pytest

from loadtests.bench.processes import (
    ProcessTimes,
    cpu_seconds,
    started,
    tree_memory,
    tree_times,
)
from loadtests.traffic.client import Server
from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.stack import Readiness, free_port

ROOT, CHILD, OTHER = 1, 2, 3


def test_what_was_used_before_does_not_count() -> None:
    """Nor does what children used that ended before."""
    before = {ROOT: ProcessTimes(5.0, 7.0), CHILD: ProcessTimes(1.0, 0.0)}
    after = {ROOT: ProcessTimes(5.5, 7.0), CHILD: ProcessTimes(1.25, 0.0)}

    assert cpu_seconds(before, after) == pytest.approx(0.75)


def test_a_process_that_began_in_between_counts_whole() -> None:
    """It is not in the first sample."""
    before = {ROOT: ProcessTimes(5.0, 0.0)}
    after = {ROOT: ProcessTimes(5.0, 0.0), OTHER: ProcessTimes(2.0, 0.5)}

    assert cpu_seconds(before, after) == pytest.approx(2.5)


def test_a_process_that_ended_in_between_counts_from_the_first_sample() -> None:
    """Its parent gets all its time, also that from before."""
    before = {ROOT: ProcessTimes(5.0, 0.0), CHILD: ProcessTimes(3.0, 1.0)}
    after = {ROOT: ProcessTimes(5.0, 4.6)}

    assert cpu_seconds(before, after) == pytest.approx(0.6)


def test_a_process_that_began_and_ended_in_between_counts_by_its_parent() -> None:
    """No sample has it."""
    before = {ROOT: ProcessTimes(5.0, 1.0)}
    after = {ROOT: ProcessTimes(5.0, 1.5)}

    assert cpu_seconds(before, after) == pytest.approx(0.5)


def test_a_process_for_which_nobody_waited_does_not_make_it_negative() -> None:
    """Its time is lost; the others' is not."""
    before = {ROOT: ProcessTimes(5.0, 0.0), CHILD: ProcessTimes(3.0, 0.0)}
    after = {ROOT: ProcessTimes(5.2, 0.0)}

    assert cpu_seconds(before, after) == pytest.approx(0.2)


ORPHAN = """
import signal, subprocess, sys
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
middle = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {code!r}]).pid)"
subprocess.run([sys.executable, "-c", middle])
"""
"""Starts a process whose parent ends, and prints its id."""

SERVER = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def ended(pid: int) -> bool:
    """Whether a process ends soon."""
    try:
        return psutil.wait_procs([psutil.Process(pid)], timeout=10)[1] == []
    except psutil.NoSuchProcess:
        return True


only_linux = pytest.mark.skipif(sys.platform != "linux", reason="others lose orphans")


@only_linux
def test_orphans_belong_to_the_tree_and_end_with_it(tmp_path) -> None:
    """A process whose parent ended is still counted, and does not outlive what was started."""
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-c", ORPHAN + SERVER, str(port)]

    with started(command, Server(f"http://127.0.0.1:{port}"), log, Readiness()) as pid:
        orphan = int(log.read_text().split()[0])
        memory, count = tree_memory(pid)
        assert tree_times(pid).keys() == {pid, orphan}

    assert count == 2
    assert memory is not None
    assert ended(orphan)


@only_linux
def test_what_does_not_get_ready_leaves_no_process(tmp_path) -> None:
    """Not even an orphan that ignores SIGTERM."""
    log, server = tmp_path / "log", Server(f"http://127.0.0.1:{free_port()}")
    command = [sys.executable, "-c", ORPHAN + "signal.pause()"]

    with (
        pytest.raises(LoadTestError, match="1 s"),
        started(command, server, log, Readiness(seconds=1)),
    ):
        pytest.fail("it does not run")

    assert ended(int(log.read_text()))


def test_a_process_that_ended_has_no_tree() -> None:
    """Neither times nor memory."""
    with psutil.Popen([sys.executable, "-c", ""]) as process:
        process.wait(30)

    assert tree_times(process.pid) == {}
    assert tree_memory(process.pid) == (None, 0)


def test_a_process_that_computes_uses_cpu_time() -> None:
    """Its own."""
    code = "import sys; print(sum(range(10_000_000)), flush=True); sys.stdin.read()"
    with psutil.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1) as process:
        process.stdout.readline()
        used = cpu_seconds({process.pid: ProcessTimes(0.0, 0.0)}, tree_times(process.pid))
        process.stdin.close()

    assert used > 0
