"""How a request ended, as its client sees it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from loadtests.chaos.requests import Asked, Client, Outcome, Result
from loadtests.traffic.client import Server
from loadtests.traffic.stack import free_port

ERROR = json.dumps({"error": {"message": "m", "type": "t", "param": None, "code": "c"}}).encode()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n"
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


def status(code: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (code, len(body), body)


def events(*data: bytes) -> bytes:
    return HEAD + b"\r\n" + b"".join(b"data: %b\n\n" % each for each in data)


CASES = {
    "an answer": (False, WHOLE, Outcome.ANSWERED),
    "a stream": (True, events(b"{}", b"[DONE]"), Outcome.ANSWERED),
    "an error event": (True, events(b"{}", ERROR), Outcome.ERROR_EVENT),
    "a clean end": (True, events(b"{}"), Outcome.CLEAN_END),
    "an error": (False, status(503, ERROR), Outcome.ERROR_STATUS),
    "a plain text": (False, status(500, b"Internal Server Error"), Outcome.NOT_JSON),
    "another JSON": (True, status(404, b'{"detail": "no"}'), Outcome.NOT_JSON),
    "a broken stream": (
        True,
        HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\ndata",
        Outcome.BROKEN,
    ),
    "nothing": (False, b"", Outcome.BROKEN),
    "silence": (False, None, Outcome.HUNG),
}


@asynccontextmanager
async def saying(answer: bytes | None) -> AsyncIterator[int]:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}]")
        if answer is None:
            await reader.read()  # until the client leaves
        else:
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def ended(port: int, *, stream: bool, seconds: float = 20.0) -> Result:
    stopping, results = asyncio.Event(), list[Result]()

    def report(result: Result) -> None:
        results.append(result)
        stopping.set()

    asked = Asked(Server(f"http://127.0.0.1:{port}", "key"), "any", 4, seconds)
    await Client(asked, 0 if stream else 1, report).run(stopping)
    return results[0]


@pytest.mark.parametrize(("stream", "answer", "outcome"), CASES.values(), ids=CASES.keys())
async def test_an_end_is_told_from_others(
    stream: bool, answer: bytes | None, outcome: Outcome
) -> None:
    """The deadline is the client's own: here it has passed when the request begins."""
    async with saying(answer) as port:
        seconds = -9.9 if outcome is Outcome.HUNG else 20.0
        result = await ended(port, stream=stream, seconds=seconds)
    assert result.outcome is outcome
    assert result.stream == stream


async def test_a_closed_door_is_no_connection() -> None:
    """Nobody listens."""
    assert (await ended(free_port(), stream=False)).outcome is Outcome.REFUSED
