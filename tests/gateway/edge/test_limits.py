"""What a door of the real HAProxy takes from clients, and what it says to the others."""

import http.client
import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest

from gateway.edge.settings import VARIABLE, DoorSettings
from tests.e2e.conftest import eventually
from tests.gateway.edge.house import House

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="HAProxy's wheel is for Linux")

POLITE, FLOOD = "127.0.0.1", "127.0.0.2"
HEAD = b"GET / HTTP/1.1\r\nhost: niche\r\n"
POST = b"POST / HTTP/1.1\r\nhost: niche\r\n"


@contextmanager
def connected(house: House, address: str = POLITE) -> Iterator[socket.socket]:
    """A connection from an address of this machine."""
    with socket.create_connection(("127.0.0.1", house.port), 20, (address, 0)) as client:
        yield client


def answered(client: socket.socket) -> tuple[int, str]:
    """The status of an answer, and its error's code; the answer is of JSON in OpenAI's shape."""
    response = http.client.HTTPResponse(client)
    response.begin()
    assert response.headers["content-type"] == "application/json"
    error = json.loads(response.read())["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return response.status, error["code"]


def passed(client: socket.socket) -> bytes:
    """What the replica answers."""
    response = http.client.HTTPResponse(client)
    response.begin()
    assert response.status == 200
    return response.read()


def limited(house: House, **settings: object) -> House:
    """The house, with such limits."""
    house.environment[VARIABLE] = DoorSettings(**settings).as_variable()  # type: ignore[arg-type] - of any kind
    house.start()
    assert eventually(house.open)
    return house


@pytest.fixture(scope="module")
def wire(a_house: House) -> House:
    return limited(a_house, head_timeout_seconds=1)


BAD = (400, "malformed_request")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(b"hello\r\n\r\n", BAD, id="no HTTP"),
        pytest.param(b"\x16\x03\x01" + b"\0" * 200, BAD, id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD, id="HTTP/2"),
        pytest.param(b"GET /\r\n\r\n", BAD, id="HTTP/0.9"),
        pytest.param(b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", BAD, id="version 2"),
        pytest.param(b"GET / HTTP/3.7\r\nhost: a\r\n\r\n", BAD, id="version 3"),
        pytest.param(b"GET / FOO/1.1\r\nhost: a\r\n\r\n", BAD, id="another protocol"),
        pytest.param(b"GET * HTTP/1.1\r\nhost: a\r\n\r\n", BAD, id="GET of all"),
        pytest.param(b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", BAD, id="OPTIONS of all"),
        pytest.param(b"GET models HTTP/1.1\r\nhost: a\r\n\r\n", BAD, id="relative path"),
        pytest.param(b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n", BAD, id="blank in the path"),
        pytest.param(b"GET /\xc3\xa4 HTTP/1.1\r\nhost: a\r\n\r\n", BAD, id="path beyond ASCII"),
        pytest.param(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", BAD, id="overlong path"),
        pytest.param(HEAD + b"a: " + b"b" * 20_000 + b"\r\n\r\n", BAD, id="overlong header"),
        pytest.param(HEAD + b"a: b\r\n" * 200 + b"\r\n", BAD, id="too many headers"),
        pytest.param(HEAD + b"host: another\r\n\r\n", BAD, id="two hosts"),
        pytest.param(HEAD + b"a : b\r\n\r\n", BAD, id="blank before the colon"),
        pytest.param(HEAD + b"no colon\r\n\r\n", BAD, id="header without a colon"),
        pytest.param(HEAD + b"a: b\0c\r\n\r\n", BAD, id="zero in a header"),
        pytest.param(
            POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab", BAD, id="two lengths"
        ),
        pytest.param(POST + b"content-length: -1\r\n\r\n", BAD, id="negative length"),
        pytest.param(POST + b"content-length: +1\r\n\r\na", BAD, id="length with a sign"),
        pytest.param(
            POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n", BAD, id="unknown encoding"
        ),
        pytest.param(
            POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n", BAD, id="chunk of no length"
        ),
        pytest.param(
            POST + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            (422, "unsupported_transfer_encoding"),
            id="compressed in transfer",
        ),
        pytest.param(
            b"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n",
            (405, "method_not_allowed"),
            id="CONNECT",
        ),
        pytest.param(
            b"BREW / HTTP/1.1\r\nhost: a\r\n\r\n", (501, "not_implemented"), id="unknown method"
        ),
        pytest.param(
            b"get / HTTP/1.1\r\nhost: a\r\n\r\n", (501, "not_implemented"), id="small letters"
        ),
        pytest.param(HEAD, (408, "request_timeout"), id="half a head"),
        pytest.param(POST + b"content-length: 9\r\n\r\na", (408, "request_timeout"), id="body"),
    ],
)
def test_bad_wire_syntax_is_told_in_json(
    wire: House, sent: bytes, expected: tuple[int, str]
) -> None:
    """HAProxy's parser has our words too, and what it takes more than servers do is refused."""
    with connected(wire) as client:
        client.sendall(sent)
        assert answered(client) == expected
        assert client.recv(1) == b""  # nothing else is read there


def test_two_framings_are_one(wire: House) -> None:
    """A length beside chunks is dropped, and what follows the chunks is no request."""
    smuggled = b"GET /404 HTTP/1.1\r\nhost: a\r\n\r\n"
    framed = b"content-length: 99\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    with connected(wire) as client:
        client.sendall(POST + framed + smuggled)

        assert passed(client) == b"ok"
        assert client.recv(1) == b""


def test_a_connection_without_a_request_ends_unsaid(wire: House) -> None:
    """Browsers open such ones; an answer there would be that to their next request."""
    with connected(wire) as client:
        assert client.recv(1) == b""


@pytest.mark.parametrize("path", ["/-/routes", "/-/healthz", "/-/Routes", "/-/other"])
def test_serve_s_own_paths_are_closed(wire: House, path: str) -> None:
    """They are no part of the API."""
    status, _, body = wire.get(path)

    assert (status, json.loads(body)["error"]["code"]) == (404, "path_not_found")


def test_serve_s_health_is_told_where_kuberay_asks(house: House) -> None:
    """However often, and nothing else: it may have the address of those who ask too much."""
    limited(house, probes=True, max_gets_per_client=2)

    for _ in range(4):
        assert house.get("/-/healthz")[::2] == (200, b"success")
    assert house.get("/-/routes")[0] == 404


def test_a_body_beyond_the_buffer_comes_while_it_is_sent(wire: House) -> None:
    """The door waits for no more than its buffer holds; slower bodies are the gateway's matter."""
    with connected(wire) as client:
        client.sendall(POST + b"content-length: 40000\r\n\r\n" + b"a" * 20_000)
        time.sleep(2)
        client.sendall(b"a" * 20_000)

        assert passed(client) == b"ok"


def test_a_client_that_waits_for_its_cue_gets_it(wire: House) -> None:
    """As curl does before a large body."""
    with connected(wire) as client:
        client.sendall(POST + b"expect: 100-continue\r\ncontent-length: 1\r\n\r\n")

        assert client.recv(100).startswith(b"HTTP/1.1 100 ")


def test_a_flood_shuts_nobody_else_out(house: House) -> None:
    """Half-sent heads of one address: further ones are closed unread, others are answered, and in
    the end each is told what was wrong."""
    limited(house, head_timeout_seconds=2, max_connections_per_client=16)
    with ExitStack() as opened:
        clients = []
        for _ in range(100):
            with suppress(ConnectionError):  # closed as it was opened
                clients.append(opened.enter_context(connected(house, FLOOD)))
                clients[-1].sendall(HEAD)
        assert house.get()[0] == 200
        read = [said(client) for client in clients]

    assert {*read} == {"408", ""}
    assert read.count("408") == 16 + 16 // 8 + 1


def test_haproxy_takes_what_it_may_open_files_for(house: House) -> None:
    """It does not start with more."""
    house.before = ("sh", "-c", 'ulimit -n 1000 && exec "$@"', "sh")

    limited(house)

    assert f"maxconn {int((1000 - 256) / 2.5)}" in house.door.served.read_text()


def said(client: socket.socket) -> str:
    """The status of an answer; empty if the connection was closed without one."""
    try:
        return client.recv(4096)[9:12].decode()
    except ConnectionError:
        return ""


def test_a_client_with_too_many_connections_is_told(house: House) -> None:
    """The first ones beyond the bound are told; those before them go on, and room is given back."""
    limited(house, max_connections_per_client=4)
    with ExitStack() as opened:
        kept = [opened.enter_context(connected(house, FLOOD)) for _ in range(4)]
        for client in kept:
            client.sendall(HEAD + b"\r\n")
            assert passed(client) == b"ok"
        with connected(house, FLOOD) as beyond:
            beyond.sendall(HEAD + b"\r\n")
            assert answered(beyond) == (429, "gateway_overloaded")
        kept[0].sendall(HEAD + b"\r\n")
        assert passed(kept[0]) == b"ok"

    def taken_again() -> bool:
        with connected(house, FLOOD) as client:
            client.sendall(HEAD + b"\r\n")
            return said(client) == "200"

    assert eventually(taken_again)


def ask(house: House, address: str, request: bytes = HEAD) -> str:
    """The status of an answer on a connection of its own."""
    with connected(house, address) as client:
        client.sendall(request + b"\r\n")
        return said(client)


def test_a_client_that_asks_without_a_pause_is_slowed_down(house: House) -> None:
    """GET requests beyond the bound are refused after a second; others, and others', are not."""
    limited(house, max_gets_per_client=4)

    assert [ask(house, FLOOD) for _ in range(4)] == ["200"] * 4
    before = time.monotonic()
    assert ask(house, FLOOD) == "429"
    assert time.monotonic() - before > 0.9
    assert ask(house, FLOOD, POST + b"content-length: 0\r\n") == "200"
    assert ask(house, POLITE) == "200"


def test_behind_a_listed_proxy_get_requests_are_counted_by_its_client(house: House) -> None:
    """Where connections are not."""
    limited(
        house, max_gets_per_client=2, max_connections_per_client=0, trusted_proxies=("127.0.0.2",)
    )
    one, other = (HEAD + b"x-forwarded-for: %s\r\n" % of for of in (b"9.9.9.9", b"8.8.8.8"))

    assert [ask(house, FLOOD, one) for _ in range(3)] == ["200", "200", "429"]
    assert ask(house, FLOOD, other) == "200"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "client"),
    [
        pytest.param((), "9.9.9.9", POLITE, id="nobody is believed"),
        pytest.param(("10.0.0.0/8",), "9.9.9.9", POLITE, id="another is believed"),
        pytest.param((POLITE,), "9.9.9.9", "9.9.9.9", id="a proxy is believed"),
        pytest.param((POLITE,), "6.6.6.6, 9.9.9.9", "9.9.9.9", id="and not what its client says"),
        pytest.param(
            (POLITE, "10.0.0.0/8"), "6.6.6.6, 9.9.9.9, 10.1.2.3", "9.9.9.9", id="two proxies"
        ),
        pytest.param((POLITE,), "2001:db8::7", "2001:db8::7", id="IPv6"),
        pytest.param((POLITE,), "unknown", POLITE, id="no address"),
        pytest.param((POLITE,), "", POLITE, id="nothing"),
    ],
)
def test_who_asks_is_told_by_listed_proxies_alone(
    house: House, proxies: tuple[str, ...], forwarded: str, client: str
) -> None:
    """The gateway learns one address, whatever the client sends."""
    limited(house, trusted_proxies=proxies)
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=20)
    with closing(connection):
        connection.request("GET", "/client", headers={"x-forwarded-for": forwarded})

        assert connection.getresponse().read().decode() == client


def test_behind_a_listed_proxy_requests_are_counted(house: House) -> None:
    """By the address that it names; its connections are not."""
    limited(house, max_connections_per_client=2, trusted_proxies=(POLITE,))
    slow = b"GET /slow HTTP/1.1\r\nhost: niche\r\nx-forwarded-for: %s\r\n\r\n"
    with ExitStack() as opened:
        proxy = [opened.enter_context(connected(house)) for _ in range(6)]
        for client in proxy[:2]:
            client.sendall(slow % b"9.9.9.9")
        time.sleep(0.5)
        proxy[2].sendall(slow % b"9.9.9.9")
        assert answered(proxy[2]) == (429, "gateway_overloaded")
        proxy[3].sendall(slow % b"8.8.8.8")
        for client in (proxy[0], proxy[1], proxy[3]):
            assert passed(client) == b"ok"
