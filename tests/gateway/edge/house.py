"""A node with a door of the real HAProxy, before a replica that answers as its path says."""

import http.client
import os
import socket
import subprocess
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from gateway.edge.door import Door, answers
from loadtests.traffic.stack import free_port
from tests.e2e.conftest import eventually
from tests.gateway.edge.served import served_config


class Replica(BaseHTTPRequestHandler):
    """Answers 200, or the status that the path names, in plain text or as a stream; `cut` breaks
    off, `slow` takes its time, `client` says who the door says is asking."""

    protocol_version = "HTTP/1.1"  # connections of 1.0 end in any case

    def do_GET(self) -> None:
        word = self.path.rpartition("/")[2]
        if word == "slow":
            time.sleep(3)
        body = self.headers["x-forwarded-for"].encode() if word == "client" else b"ok"
        self.send_response(int(word) if word.isdigit() else 200)
        self.send_header("content-type", "text/event-stream" if word == "stream" else "text/plain")
        self.send_header("content-length", str(len(body) + (word == "cut")))
        with suppress(ConnectionError):  # HAProxy was killed
            self.end_headers()
            self.wfile.write(body)
        self.close_connection = word == "cut"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"] or 0))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@dataclass
class House:
    """A node: its folder, its raylet, and the processes that a manager would have started."""

    folder: Path
    raylet: subprocess.Popen[bytes]
    port: int
    upstream: int
    metrics_port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def door(self) -> Door:
        return Door(self.folder)

    def start(
        self, *arguments: str, routed: bool = True, pass_fds: tuple[int, ...] = ()
    ) -> subprocess.Popen[bytes]:
        """Starts HAProxy as a manager does, and waits until it answers."""
        upstream = self.upstream if routed else None
        path = served_config(self.folder, self.port, upstream, self.metrics_port)
        command = [
            *self.before,
            str(self.folder.parent / "launcher"),
            "-db",
            "-f",
            str(path),
            "-dR",
            *arguments,
        ]
        environment = os.environ | {"RAY_RAYLET_PID": str(self.raylet.pid)} | self.environment
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

    def ask(self, word: str) -> None:
        """Asks a model for an answer; the connection may break."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with closing(client), suppress(http.client.HTTPException, ConnectionError):
            client.request("POST", f"/v1/{word}", body="{}")
            client.getresponse().read()

    def metrics(self) -> dict[str, float]:
        """The samples that Prometheus would get, once the guard has started."""
        assert eventually(lambda: listens(self.metrics_port))
        client = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=20)
        with closing(client):
            client.request("GET", "/metrics")
            text = client.getresponse().read().decode()
        return {
            sample.name + "".join(sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def open(self) -> bool:
        """Whether the replica answers."""
        try:
            return self.get()[0] == 200
        except OSError:
            return False


def listens(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0
