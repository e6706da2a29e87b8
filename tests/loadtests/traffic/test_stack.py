"""A stack that is started for a run, here a few lines of Python in a process of their own."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from loadtests.traffic.client import Server
from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.probe import ready
from loadtests.traffic.stack import Readiness, free_port, running

READY = """
import signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
def stop(number, frame):
    print("stopped as asked", flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, stop)
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_a_stack_is_ready_inside_and_gone_outside(tmp_path) -> None:
    """It is terminated, as its operator would."""
    port, log = free_port(), tmp_path / "out" / "stack.log"
    server = Server(f"http://127.0.0.1:{port}")

    with running([sys.executable, "-c", READY, str(port)], server, log):
        assert ready(server)

    assert not ready(server)
    assert "stopped as asked" in log.read_text()


def test_a_stack_that_ends_shows_its_log(tmp_path) -> None:
    """With its exit code and the end of its log."""
    start = [sys.executable, "-c", "import sys; print('no models'); sys.exit(2)"]
    server = Server(f"http://127.0.0.1:{free_port()}")

    with (
        pytest.raises(LoadTestError, match=r"2.*no models"),
        running(start, server, tmp_path / "stack.log"),
    ):
        pytest.fail("it does not run")


def test_a_stack_has_to_be_ready_in_time(tmp_path) -> None:
    """Else it is stopped."""
    start = [sys.executable, "-c", "import time; time.sleep(60)"]
    server = Server(f"http://127.0.0.1:{free_port()}")

    with (
        pytest.raises(LoadTestError, match="1 s"),
        running(start, server, tmp_path / "stack.log", Readiness(seconds=1)),
    ):
        pytest.fail("it does not run")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C interrupts, though a shell that starts tests in its background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_wait_leaves_no_stack(tmp_path) -> None:
    """Ctrl-C before it is ready ends it, too."""
    log = tmp_path / "stack.log"
    start = [
        sys.executable,
        "-c",
        "import os, time; print(os.getpid(), flush=True); time.sleep(60)",
    ]
    server = Server(f"http://127.0.0.1:{free_port()}")
    main = threading.main_thread().ident

    def ctrl_c() -> None:
        while not (log.exists() and log.read_text().endswith("\n")):
            time.sleep(0.01)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=ctrl_c, daemon=True).start()
    with pytest.raises(KeyboardInterrupt), running(start, server, log):
        pytest.fail("it is never ready")

    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)
