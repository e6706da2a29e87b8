"""The corpus of malformed requests: reads it, sends an entry over a socket, and says what came.

`corpus/README.md` has the fields of an entry.
"""

import io
import json
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

Where = Literal["edge", "server"]

CORPUS = Path(__file__).parent / "corpus"
KEY = "sk-fuzz-caller"

_SECONDS = 20.0
"""For an answer, or for its connection to be closed: longer than the time for a slow head."""
_AT_ONCE = 16
_EXTRA_SECONDS = 0.2
"""For an answer that should not come."""
_PAUSE_SECONDS = 0.1
_SAY = [{"role": "user", "content": "hi"}]
VALID: Mapping[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "big", "messages": _SAY},
    "/v1/completions": {"model": "big", "prompt": "hi"},
    "/v1/responses": {"model": "big", "input": "hi"},
    "/v1/messages": {"model": "big", "max_tokens": 8, "messages": _SAY},
    "/v1/messages/count_tokens": {"model": "big", "messages": _SAY},
    "/v1/embeddings": {"model": "vectors", "input": "hi"},
    "/v1/rerank": {"model": "ranker", "query": "hi", "documents": ["a", "b"]},
    "/v1/niche/route": {"prompt": "hi"},
    "/v1/feedback": {"request_id": "none", "score": 1},
}
"""The body that an entry's `set` changes, by path."""


@dataclass(frozen=True)
class Entry:
    """A request of the corpus.

    Attributes:
        name: of the entry; its file and `id`.
        pieces: the bytes to send, with a pause between two.
        then: what the client does when it has sent them.
        expected: by place; each the answers on the connection, in order.
        head: whether these have no bodies, since the method is HEAD.
    """

    name: str
    pieces: tuple[bytes, ...]
    then: Literal["read", "close", "half-close"]
    expected: Mapping[Where, tuple[str, ...]]
    head: bool = False


def corpus(where: Where) -> list[Entry]:
    """The entries that hold at a place."""
    return [entry for entry in _entries() if where in entry.expected]


def _entries() -> Iterator[Entry]:
    for file in sorted(CORPUS.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            yield _entry(file.stem, json.loads(line))


def _entry(file: str, fields: dict[str, Any]) -> Entry:
    for mark, (text, times) in fields.pop("times", {}).items():
        fields = json.loads(json.dumps(fields).replace(mark, json.dumps(text * times)[1:-1]))
    pieces = fields["bytes"] if "bytes" in fields else _composed(fields)
    pieces = [pieces] if isinstance(pieces, str) else pieces
    places: tuple[Where, ...] = ("edge", "server")
    said = {place: fields.get(place, fields.get("expect")) for place in places}
    return Entry(
        name=f"{file}:{fields['id']}",
        pieces=tuple(piece.encode("latin-1") for piece in pieces),
        then=fields.get("then", "read"),
        expected={
            place: (of,) if isinstance(of, str) else tuple(of)
            for place, of in said.items()
            if of is not None
        },
        head=pieces[0].startswith("HEAD "),
    )


def _composed(fields: Mapping[str, Any]) -> str:
    """The bytes of a request that is well-formed but for what the entry says."""
    path, body = fields["path"], fields.get("body")
    if "set" in fields:
        body = json.dumps(VALID[path] | fields["set"])
    method = fields.get("method", "GET" if body is None else "POST")
    headers = {"host": "gateway", "authorization": f"Bearer {KEY}", "connection": "close"}
    if body is not None:
        headers |= {"content-type": "application/json", "content-length": str(len(body))}
    headers |= fields.get("headers", {})
    lines = (f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
    return f"{method} {path} HTTP/1.1\r\n{''.join(lines)}\r\n{body or ''}"


def is_expected(entry: Entry, where: Where, found: Sequence[str]) -> bool:
    """Whether these answers are those of the corpus."""
    expected = entry.expected[where]
    pairs = zip(expected, found, strict=False)
    return len(found) == len(expected) and all(of in each.split(" or ") for each, of in pairs)


def differing(where: Where, address: str) -> tuple[int, list[str]]:
    """Sends the whole corpus: how many requests it has there, and a line for each unexpected
    outcome. At the end the gateway has to be well."""
    entries, target = corpus(where), urlsplit(address)
    host, port = str(target.hostname), int(target.port or 80)

    def outcome(entry: Entry) -> str | None:
        found = answers(entry, where, (host, port))
        if is_expected(entry, where, found):
            return None
        return f"{entry.name}: {' '.join(found)}, not {' '.join(entry.expected[where])}"

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        wrong = [line for line in pool.map(outcome, entries) if line is not None]
    well = _entry("after", {"id": "all", "path": "/healthz", "expect": "200 json"})
    found = answers(well, where, (host, port))
    return len(entries), wrong if found == ("200 json",) else [*wrong, f"afterwards: {found}"]


def answers(entry: Entry, where: Where, address: tuple[str, int]) -> tuple[str, ...]:
    """Sends an entry; what came, in the words of `expect`."""
    with socket.create_connection(address, timeout=_SECONDS) as connection:
        try:
            for index, piece in enumerate(entry.pieces):
                if index:
                    time.sleep(_PAUSE_SECONDS)
                connection.sendall(piece)
            if entry.then == "half-close":
                connection.shutdown(socket.SHUT_WR)
        except OSError:  # it was closed before all was sent; what it said is still there
            pass
        if entry.then == "close":
            return ("left",)
        return tuple(_read(connection, entry.head, len(entry.expected[where])))


class _Stream(io.BufferedReader):
    """What several answers are read from: none of them closes it."""

    def makefile(self, _mode: str) -> "_Stream":
        return self

    def close(self) -> None:
        """Left open."""


def _read(connection: socket.socket, head: bool, expected: int) -> Iterator[str]:
    """The answers, until the connection is closed or no more come: one too many is one that was
    smuggled in."""
    stream, found = _Stream(socket.SocketIO(connection, "rb")), 0
    try:
        while stream.peek(1):
            yield _answer(stream, head)
            found += 1
            if found >= expected:
                connection.settimeout(_EXTRA_SECONDS)
    except TimeoutError:
        if not found:
            yield "silence"
    except (ConnectionResetError, HTTPException) as error:
        yield type(error).__name__
    else:
        if not found:
            yield "closed"


def _answer(stream: _Stream, head: bool) -> str:
    response = HTTPResponse(stream, method="HEAD" if head else "GET")  # type: ignore[arg-type]
    response.begin()
    body = response.read()
    return " ".join([str(response.status), *_shape(response, body)])


def _shape(response: HTTPResponse, body: bytes) -> Sequence[str]:
    if not body:
        return ["empty"]
    kind = (response.headers.get("content-type") or "none").partition(";")[0]
    if kind != "application/json":
        return [kind]
    value = json.loads(body)
    match value:
        case {"type": "error", "error": {"type": str(), "message": str(), "code": code}}:
            return ["anthropic", code, *_parameter(value)]
        case {"error": {"type": str(), "message": str(), "code": str(code), "param": _}}:
            return ["openai", code, *_parameter(value)]
        case _:
            return ["json"]


def _parameter(value: dict[str, Any]) -> Sequence[str]:
    return [value["error"]["param"]] if value["error"]["param"] else []
