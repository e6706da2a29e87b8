"""A generalist that is right as often as it is told to be: a server with the OpenAI API.

It knows the right answers of the prompts, and gives the right one or says that it does not know.
No model at all: it stands in for one of a quality that is not at hand, and reports say so.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from lab.comparison.errors import ComparisonError
from lab.comparison.rows import Row

PREFIX = "oracle:"
_UNKNOWN = "I do not know."
_FORM = f"write {PREFIX}SHARE, or {PREFIX}SHARE,DOMAIN=SHARE,... with shares from 0 to 1"


@dataclass(frozen=True)
class StandIn:
    """How often it is right.

    Attributes:
        name: as it was asked for.
        share: of the prompts of a domain that is not named.
        domains: the share of each named domain.
    """

    name: str
    share: float
    domains: Mapping[str, float]

    def answer(self, row: Row) -> str:
        """The right answer, or none; the same prompt always gets the same."""
        digest = hashlib.sha256(f"stand-in {row.key}".encode()).digest()
        chance = int.from_bytes(digest[:8]) / 2**64
        right = chance < self.domains.get(row.domain, self.share)
        return row.reference.answer if right else _UNKNOWN


def read_stand_in(reference: str) -> StandIn:
    """What `oracle:0.3` or `oracle:0.3,sql=0.2` asks for.

    Raises:
        ComparisonError: it is of no such form.
    """
    first, *others = reference.removeprefix(PREFIX).split(",")
    try:
        named = dict(part.split("=") for part in others)
        shares = {domain: float(share) for domain, share in named.items()}
        found = StandIn(reference, float(first), shares)
    except ValueError:
        raise ComparisonError(f"{reference!r} is no stand-in; {_FORM}") from None
    if not all(0 <= share <= 1 for share in (found.share, *shares.values())):
        raise ComparisonError(f"{reference!r}: a share is out of range; {_FORM}")
    return found


@contextmanager
def standing_in(rows: Sequence[Row], stand_ins: Sequence[StandIn]) -> Iterator[str]:
    """A server of the loopback device whose models are the stand-ins, by their names.

    Args:
        rows: what it will be asked; anything else it does not know.
        stand_ins: its models.

    Yields:
        Its address, with its version.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(rows, stand_ins))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, name="stand-in", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(rows: Sequence[Row], stand_ins: Sequence[StandIn]) -> type[BaseHTTPRequestHandler]:
    known = {row.chat[-1].content: row for row in rows}
    models = {model.name: model for model in stand_ins}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send("application/json", {"data": [{"id": name} for name in models]})

        def do_POST(self) -> None:
            size = int(self.headers.get("content-length", 0))
            body = json.loads(self.rfile.read(size))
            asked = body["messages"][-1]["content"]
            row = known.get(asked)
            text = _UNKNOWN if row is None else models[body["model"]].answer(row)
            self._send("text/event-stream", *_events(asked, text))

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing: the gateway counts requests."""

        def _send(self, kind: str, *values: object) -> None:
            written = [json.dumps(value) for value in values]
            if kind == "text/event-stream":
                written = [f"data: {line}\n\n" for line in (*written, "[DONE]")]
            payload = "".join(written).encode()
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

    return Handler


def _events(asked: str, text: str) -> tuple[dict[str, Any], ...]:
    """An answer at once; words stand for tokens."""
    usage = {"prompt_tokens": len(asked.split()), "completion_tokens": len(text.split())}
    return (
        {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": usage},
    )
