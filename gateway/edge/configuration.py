"""HAProxy's configuration as Ray Serve writes it, with what Serve has no setting for.

Rule: text in, text out. Each place is one line of Serve's template; a test renders that template,
so that a Ray with other lines is noticed.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.edge.settings import DoorSettings

_SERVES_ERRORS = re.compile(r"^    errorfile .*\n", re.MULTILINE)
_BALANCE = re.compile(r"^    balance .*\n", re.MULTILINE)
_FRONTEND = re.compile(r"^frontend http_frontend\n    bind .*\n", re.MULTILINE)
_MAXCONN = re.compile(r"^    maxconn (\d+)$", re.MULTILINE)
_NO_ROUTE = re.compile(r"^(backend default_backend\n)    http-request return .*\n", re.MULTILINE)
_ROUTE = re.compile(r"^    use_backend ", re.MULTILINE)
_HARD_STOP = re.compile(r"^    hard-stop-after (\d+)s$", re.MULTILINE)
_STREAMS_END = (
    "    http-after-response set-header connection close"
    " if { res.hdr(content-type) -m beg text/event-stream }\n"
)
"""A replaced HAProxy tells clients with their last answer that it closes the connection. A stream's
head went out before, so it would serve another request there, and be ended in the midst of it."""
_SOCKET = re.compile(r"^(    stats socket )(\S+)", re.MULTILINE)
_EXPORTER = re.compile(r"^(frontend prometheus\n    bind ):(\d+)$", re.MULTILINE)
_BIND = re.compile(r"^(frontend http_frontend\n    bind )\S+:(\d+)$", re.MULTILINE)
_STATS = re.compile(r"^(listen stats\n  bind )\*:", re.MULTILINE)

_CLIENT = ",ipmask(32,64)"
"""Who has one address of IPv6 has 2**64."""
_GETS_WINDOW = "10s"
"""In which a client's GET requests are counted."""
_REFUSAL_SECONDS = 1.0
"""Until one too many is refused: who asks without a pause would ask for refusals all the more."""
_METHODS = "GET HEAD POST PUT PATCH DELETE OPTIONS TRACE"
_PROXIES = 4
"""In a row, at most."""
_FILES = 2.5
"""Of a connection: one to the client, one to a replica, and two of a pipe for every fourth. HAProxy
does not start where it may not open so many."""
_OTHER_FILES = 256
"""That HAProxy opens beside connections: sockets to listen at, logs, health checks."""


def has_routes(text: str) -> bool:
    """Whether there is an application behind the door."""
    return _ROUTE.search(text) is not None


def hard_stop_seconds(text: str) -> float:
    """How long a replaced HAProxy may finish what it has."""
    found = _HARD_STOP.search(text)
    return float(found.group(1)) if found else 0.0


def metrics_port(text: str) -> int | None:
    """The port of Serve's choice for metrics."""
    found = _EXPORTER.search(text)
    return int(found.group(2)) if found else None


def with_metrics(text: str, exporter: Path, access_port: int) -> str:
    """The same with HAProxy's counters at a socket of the node, where they were at a port of all
    interfaces, as its page of statistics was, and with an access log.

    Args:
        text: as Serve writes it.
        exporter: the socket for the counters.
        access_port: the port, by UDP, for a line per request.
    """
    unix = f"unix@{exporter} mode 600"
    text = _EXPORTER.sub(lambda found: found.group(1) + unix, text, count=1)
    text = _STATS.sub(r"\g<1>127.0.0.1:", text, count=1)
    log = f"    log 127.0.0.1:{access_port} len 1024 format raw local0 info\n"
    return _FRONTEND.sub(lambda found: found.group() + log, text, count=1)


def with_host(text: str, host: str) -> str:
    """The same at another address: Serve would open its replicas' ports there too."""
    bound, families = {"0.0.0.0": ("*", ""), "::": ("::", " v4v6")}.get(host, (host, ""))
    return _BIND.sub(
        lambda found: f"{found.group(1)}{bound}:{found.group(2)}{families}", text, count=1
    )


def with_socket(text: str, socket: Path) -> str:
    """The same with another admin socket."""
    return _SOCKET.sub(lambda found: found.group(1) + str(socket), text, count=1)


def with_answers(text: str, files: Mapping[int, Path]) -> str:
    """The same with our answers in place of HAProxy's, Serve's and the HTTP servers' plain texts,
    and streams after which the connection ends.

    Args:
        text: as Serve writes it.
        files: the answers by status, as HAProxy's `errorfile` takes them.
    """
    errors = "".join(f"    errorfile {status} {file}\n" for status, file in files.items())
    plain = "".join(
        f"    http-response return status {status} default-errorfiles"
        f" if {{ status {status} }} !{{ res.hdr(content-type) -m sub json }}\n"
        for status in files
    )
    text = _SERVES_ERRORS.sub("", text)
    text = _BALANCE.sub(lambda found: found.group() + errors, text, count=1)
    text = _FRONTEND.sub(lambda found: found.group() + plain + _STREAMS_END, text, count=1)
    # Everything is below the gateway's prefix: who comes here came before its first replica.
    return _NO_ROUTE.sub(
        r"\1    http-request return status 503 default-errorfiles" + "\n", text, count=1
    )


def with_limits(text: str, settings: DoorSettings, files: int) -> str:
    """The same with a time limit for heads, bounds of connections and GET requests for each client,
    and Serve's own paths closed.

    Args:
        text: as Serve writes it.
        settings: the limits.
        files: how many HAProxy may open.
    """
    seconds = (
        f"    timeout http-request {_time(settings.head_timeout_seconds)}\n"
        f"    timeout tarpit {_time(_REFUSAL_SECONDS)}\n"
    )
    rules = "".join(f"    {line}\n" for line in (*_connections(settings), *_requests(settings)))
    most = max(int((files - _OTHER_FILES) / _FILES), 1)
    text = _MAXCONN.sub(lambda found: f"    maxconn {min(int(found[1]), most)}", text, count=1)
    text = _BALANCE.sub(lambda found: found.group() + seconds, text, count=1)
    return _FRONTEND.sub(lambda found: found.group() + rules, text, count=1)


def _connections(settings: DoorSettings) -> Iterator[str]:
    """What becomes of a new connection, in the order in which HAProxy goes by it."""
    yield "option disable-h2-upgrade"  # so that a connection is one request at a time
    yield "option http-ignore-probes"  # a 408 would be taken for the answer to the first request
    if settings.trusted_proxies:
        yield f"acl proxy src {' '.join(settings.trusted_proxies)}"
    if settings.max_connections_per_client or settings.max_gets_per_client:
        unless = " if !proxy" if settings.trusted_proxies else ""
        yield f"stick-table type ipv6 size 100k expire 1m store conn_cur,gpc0_rate({_GETS_WINDOW})"
        yield f"tcp-request connection track-sc0 src{_CLIENT}{unless}"
    if most := settings.max_connections_per_client:
        # The first ones beyond the bound are told so; further ones, a flood, are closed unread.
        yield f"tcp-request connection reject if {{ sc0_conn_cur gt {most + most // 8 + 1} }}"
        beyond = f"{{ sc0_conn_cur gt {most} }}"
        yield f"tcp-request connection set-var(sess.beyond) bool(true) if {beyond}"
        yield "http-request return status 429 default-errorfiles if { var(sess.beyond) -m found }"


def _requests(settings: DoorSettings) -> Iterator[str]:
    """What becomes of a request. HAProxy's parser takes more than servers behind it, and paths that
    belong to no application."""
    healthz = " !{ path -i /-/healthz }" if settings.probes else ""
    refused = {
        501: f"!{{ method {_METHODS} CONNECT }}",
        405: "METH_CONNECT",
        400: "!{ req.ver 1.0 1.1 } || !{ path_beg / }",
        404: f"{{ path_beg /-/ }}{healthz}",
    }
    for status, condition in refused.items():
        yield f"http-request return status {status} default-errorfiles if {condition}"
    yield "http-request set-var(txn.client) src"
    if settings.trusted_proxies:
        proxies = " ".join(settings.trusted_proxies)
        for place in range(1, _PROXIES + 1):  # from the last: the first ones may be the client's
            told = f"req.hdr_ip(x-forwarded-for,-{place})"
            known = f"proxy {{ var(txn.client) -m ip {proxies} }}"
            yield f"http-request set-var(txn.client) {told} if {known}"
        if settings.max_connections_per_client or settings.max_gets_per_client:
            yield f"http-request track-sc1 var(txn.client){_CLIENT} if proxy"
        if most := settings.max_connections_per_client:
            beyond = f"{{ sc1_conn_cur gt {most} }}"
            yield f"http-request return status 429 default-errorfiles if {beyond}"
    if most := settings.max_gets_per_client:
        for counter in (0, 1) if settings.trusted_proxies else (0,):
            yield f"http-request sc-inc-gpc0({counter}) if METH_GET{healthz}"
            beyond = f"METH_GET{healthz} {{ sc{counter}_gpc0_rate gt {most} }}"
            yield f"http-request tarpit deny_status 429 if {beyond}"
    yield "http-request set-header x-forwarded-for %[var(txn.client)]"
    # As much of the body as HAProxy's buffer holds: no slot of the gateway waits for it.
    yield f"http-request wait-for-body time {_time(settings.head_timeout_seconds)}"


def _time(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
