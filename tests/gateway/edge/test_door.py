"""A door of the real HAProxy, whose processes die: what clients see meanwhile."""

import http.client
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from ray.serve._private.constants import (
    RAY_SERVE_HAPROXY_CONFIG_FILE_LOC,
    RAY_SERVE_HAPROXY_SOCKET_PATH,
)

from gateway.edge.door import STOPPING, Door, answers, in_flight
from gateway.edge.launcher import METRICS_HOST
from gateway.edge.settings import VARIABLE, DoorSettings
from tests.e2e.conftest import eventually
from tests.gateway.edge.house import House, listens

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="HAProxy's wheel is for Linux")


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


REQUESTS, ERRORS, CUT = (
    "niche_edge_requests_total",
    "niche_edge_failures_totalerror",
    "niche_edge_failures_totalcut",
)
SHUT = "niche_edge_shut_seconds_total"


def test_what_clients_saw_is_counted_over_a_reload(house: House) -> None:
    """Errors and cut answers cost, client errors and probes do not; HAProxy's own counters, beside
    them, begin anew with its reload, which follows when a replica dies."""
    first = house.start()
    for word in ("ok", "404", "429", "500", "503", "cut"):
        house.ask(word)
    house.get("/v1/models")
    expected = {REQUESTS: 6, ERRORS: 2, CUT: 1, SHUT: 0}
    assert eventually(lambda: house.metrics().items() >= expected.items())
    own = "haproxy_frontend_http_requests_totalhttp_frontend"
    assert house.metrics()[own] == 7

    house.start("-sf", str(first.pid), "-x", str(house.door.served_socket))

    assert eventually(lambda: house.door.processes() == (house.started[-1].pid,))
    house.ask("ok")
    assert eventually(lambda: house.metrics()[REQUESTS] == 7)
    assert house.metrics().items() >= {ERRORS: 2, CUT: 1, own: 1}.items()


@pytest.mark.parametrize(
    ("environment", "elsewhere"),
    [
        pytest.param({}, False, id="by default"),
        pytest.param({METRICS_HOST: "0.0.0.0"}, True, id="in a pod"),
    ],
)
def test_the_metrics_are_on_loopback_unless_told(
    house: House, environment: dict[str, str], elsewhere: bool
) -> None:
    """They have no authentication."""
    house.environment = environment
    house.start()

    assert house.metrics()[REQUESTS] == 0
    assert listens(house.metrics_port, "127.0.0.2") == elsewhere


def test_the_door_is_where_the_gateway_is_to_be(house: House) -> None:
    """Serve, whose replicas are on loopback, does not know of it; the stand-in does."""
    house.environment = {VARIABLE: DoorSettings(host="127.0.0.2").as_variable()}
    first = house.start()
    assert (listens(house.port, "127.0.0.2"), listens(house.port)) == (True, False)

    first.kill()

    assert eventually(lambda: answers(house.door.stand_in_socket))
    assert (listens(house.port, "127.0.0.2"), listens(house.port)) == (True, False)


def test_the_time_is_counted_in_which_nobody_listens(house: House) -> None:
    """With nothing that could stand in, it grows as the clock does; a stand-in ends it."""
    first = house.start()
    assert house.metrics()[SHUT] == 0
    routed = house.door.routed.read_text()
    house.door.routed.unlink()
    began = time.monotonic()
    first.kill()
    first.wait()

    assert eventually(lambda: house.metrics()[SHUT] > 0.5)

    house.door.routed.write_text(routed)
    assert eventually(house.open)
    shut = time.monotonic() - began
    time.sleep(2)  # in which it would grow by two more
    assert house.metrics()[SHUT] < shut + 1


def test_what_a_killed_haproxy_was_about_is_counted(house: House) -> None:
    """It logs nothing of it; the guard had asked how many requests there are."""
    first = house.start()
    asking = [threading.Thread(target=house.ask, args=("slow",)) for _ in range(3)]
    for one in asking:
        one.start()
    assert eventually(lambda: in_flight(house.door.served_socket) == 3)
    time.sleep(1)  # the guard asks twice in it

    first.kill()
    first.wait()

    assert eventually(lambda: house.metrics()[CUT] == 3)
    assert house.metrics()[REQUESTS] == 3
    for one in asking:
        one.join()


def test_who_ends_while_it_answers_tells_no_number() -> None:
    """Half of the statistics are none: the number before stays."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as ending:
        path = Path(folder) / "admin.sock"
        ending.bind(str(path))
        ending.listen()
        asking = threading.Thread(target=lambda: numbers.append(in_flight(path)))
        numbers: list[int | None] = []
        asking.start()
        connection, _ = ending.accept()
        with connection:
            connection.recv(100)
            connection.sendall(b"# pxname,svname,qcur,qmax,scur\nhttp-gateway,BACKEND,0,0")
        asking.join()

    assert numbers == [None]


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
