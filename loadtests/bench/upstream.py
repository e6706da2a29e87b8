"""The bare upstream: an OpenAI-compatible server that does nothing but answer.

    python -m loadtests.bench.upstream --port 9009

It reads HTTP with httptools on uvloop, without a framework, so that the gateways in front of it are
the limit. An answer has as many tokens as the request allows (`max_tokens`). Whole answers, and
streams of at most `WHOLE_TOKENS` tokens, are written at once. Longer streams get their first token
at once and each further one at the pace, by absolute times, so that delays do not add up.
"""

import argparse
import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, cast

import httptools
import uvloop

WHOLE_TOKENS = 16
"""Tokens of the benchmark's whole answers."""
STREAM_TOKENS = 32
"""Tokens of its streams."""
PACE_SECONDS = 0.02
"""Time between two tokens of its streams."""

_MAX_TOKENS = 4096
_KNOWN = {"id": "chatcmpl-bench", "created": 1, "model": "bench"}
_MODELS = json.dumps({"object": "list", "data": [{"id": "bench", "object": "model"}]}).encode()
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_LAST_CHUNK = b"0\r\n\r\n"


def _whole(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


def _event(fields: dict[str, Any] | None) -> bytes:
    """A server-sent event as one HTTP chunk; None: the end of the stream."""
    text = "[DONE]" if fields is None else json.dumps(fields, separators=(",", ":"))
    data = f"data: {text}\n\n".encode()
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 8, "completion_tokens": tokens, "total_tokens": 8 + tokens}


class Answers:
    """The bytes of all answers, made once.

    Args:
        pace: seconds between two tokens of a long stream.
    """

    def __init__(self, pace: float = PACE_SECONDS) -> None:
        self.pace = pace
        self.models = _whole("200 OK", _MODELS)
        self.invalid = _whole("400 Bad Request", b'{"error":{"message":"not a chat request"}}')
        self._first = self._chunk({"role": "assistant", "content": "word"})
        self._next = self._chunk({"content": " word"})
        self._complete: dict[int, bytes] = {}

    def whole(self, tokens: int) -> bytes:
        """A whole answer."""
        if tokens not in self._complete:
            message = {"role": "assistant", "content": " ".join(["word"] * tokens)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            answer = _KNOWN | {"object": "chat.completion", "choices": [choice]}
            body = json.dumps(answer | {"usage": _usage(tokens)}).encode()
            self._complete[tokens] = _whole("200 OK", body)
        return self._complete[tokens]

    def token(self, index: int) -> bytes:
        """The event of a token."""
        return self._next if index else self._first

    def end(self, tokens: int, *, usage: bool) -> bytes:
        """What follows the last token of a stream."""
        parts = [self._chunk({}, "stop")]
        if usage:
            parts.append(_event(self._fields([]) | {"usage": _usage(tokens)}))
        return b"".join([*parts, _event(None), _LAST_CHUNK])

    def _chunk(self, delta: dict[str, str], finish: str | None = None) -> bytes:
        return _event(self._fields([{"index": 0, "delta": delta, "finish_reason": finish}]))

    def _fields(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return _KNOWN | {"object": "chat.completion.chunk", "choices": choices}


class Connection(asyncio.Protocol):
    """A client's connection, which asks one thing at a time."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._parser: Any = httptools.HttpRequestParser(self)
        self._body: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop; ends the stream."""
        del exc
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._body.clear()

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser; answers."""
        if self._parser.get_method() != b"POST":
            self._finish(self._answers.models)
            return
        try:
            asked = json.loads(b"".join(self._body))
            tokens = int(asked.get("max_tokens") or asked.get("max_completion_tokens") or 16)
        except (ValueError, TypeError, AttributeError):
            self._finish(self._answers.invalid)
            return
        tokens = max(1, min(tokens, _MAX_TOKENS))
        if not asked.get("stream"):
            self._finish(self._answers.whole(tokens))
            return
        usage = bool((asked.get("stream_options") or {}).get("include_usage"))
        self._stream(tokens, self._answers.end(tokens, usage=usage))

    def _stream(self, tokens: int, end: bytes) -> None:
        if tokens <= WHOLE_TOKENS:
            events = b"".join(self._answers.token(index) for index in range(tokens))
            self._finish(_STREAM_HEAD + events + end)
            return
        loop, pace = asyncio.get_running_loop(), self._answers.pace
        started = loop.time()
        self._transport.write(_STREAM_HEAD + self._answers.token(0))

        def send(index: int) -> None:
            if index + 1 == tokens:
                self._finish(self._answers.token(index) + end)
                return
            self._transport.write(self._answers.token(index))
            self._timer = loop.call_at(started + (index + 1) * pace, send, index + 1)

        self._timer = loop.call_at(started + pace, send, 1)

    def _finish(self, data: bytes) -> None:
        self._transport.write(data)
        if not self._parser.should_keep_alive():
            self._transport.close()


async def serve(port: int, answers: Answers, ready: Callable[[], object] = lambda: None) -> None:
    """Serves on the loopback device until cancelled; several processes may share the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(answers), "127.0.0.1", port, reuse_port=True, backlog=4096
    )
    ready()
    async with server:
        await server.serve_forever()


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one process of it."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench.upstream", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pace", type=float, default=PACE_SECONDS, help="seconds between tokens")
    arguments = parser.parse_args(argv)
    uvloop.run(serve(arguments.port, Answers(arguments.pace)))


if __name__ == "__main__":
    main()
