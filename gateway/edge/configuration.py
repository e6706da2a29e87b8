"""HAProxy's configuration as Ray Serve writes it, with what Serve has no setting for.

Rule: text in, text out. Each place is one line of Serve's template; a test renders that template,
so that a Ray with other lines is noticed.
"""

import re
from collections.abc import Mapping
from pathlib import Path

_SERVES_ERRORS = re.compile(r"^    errorfile .*\n", re.MULTILINE)
_BALANCE = re.compile(r"^    balance .*\n", re.MULTILINE)
_FRONTEND = re.compile(r"^frontend http_frontend\n    bind .*\n", re.MULTILINE)
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
    everywhere = host in ("0.0.0.0", "::")
    bound = "*" if everywhere else host
    return _BIND.sub(lambda found: f"{found.group(1)}{bound}:{found.group(2)}", text, count=1)


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
