"""Sends one streamed request and times it; no retries, and every failure is an outcome."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx
from httpx_sse import EventSource

from lab.comparison.endpoint import Endpoint
from lab.comparison.outcomes import Outcome, Timing, Usage
from lab.comparison.rows import Chat

_SHOWN = 200
_LONGEST_ANSWER_BYTES = 4_000_000
"""The limit for one response: an endless stream must not fill memory."""


_DONE = {"choices": ({"finish_reason": "done"},)}
"""The finish reason if the server gives none."""


class Unreachable(Exception):
    """No connection: the request was not sent."""


@dataclass(frozen=True)
class ChatRequest:
    """A request to send: its row, arm, endpoint, model and messages."""

    row: str
    arm: str
    model: str
    endpoint: Endpoint
    chat: Chat
    max_tokens: int


class Client:
    """Sends requests.

    Args:
        http: the HTTP client.
        clock: monotonic seconds.
        timeout_seconds: after which a request has failed.
    """

    def __init__(
        self, http: httpx.AsyncClient, clock: Callable[[], float], timeout_seconds: float
    ) -> None:
        self._http, self._clock, self._timeout = http, clock, timeout_seconds

    async def send(self, request: ChatRequest) -> Outcome:
        """The outcome of one request.

        Raises:
            Unreachable: no connection could be made.
        """
        reading = _Reading(self._clock)
        try:
            async with asyncio.timeout(self._timeout):
                await self._read(request, reading)
        except httpx.ConnectError as error:
            raise Unreachable(str(error)) from error
        except TimeoutError:
            reading.error = f"no complete answer within {self._timeout:g} s"
        except (httpx.HTTPError, _InvalidResponse) as error:
            reading.error = str(error) or type(error).__name__
        return reading.outcome(request)

    async def _read(self, request: ChatRequest, reading: "_Reading") -> None:
        body = {
            "model": request.model,
            "messages": [turn.model_dump() for turn in request.chat],
            "max_tokens": request.max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        url = f"{request.endpoint.base_url}/chat/completions"
        headers = request.endpoint.headers
        async with self._http.stream("POST", url, json=body, headers=headers) as response:
            if response.status_code != httpx.codes.OK:
                text = (await response.aread()).decode(errors="replace")
                raise _InvalidResponse(f"HTTP {response.status_code}: {_message(text)}")
            async for event in _events(response):
                _take(reading, event)
        if reading.finish is None:
            raise _InvalidResponse("the stream ended early")


class _InvalidResponse(Exception):
    """The response is not a complete answer."""


class _Limited(httpx.AsyncByteStream):
    """A response's bytes, up to the limit."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream, self._size = stream, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._stream:
            self._size += len(data)
            if self._size > _LONGEST_ANSWER_BYTES:
                raise _InvalidResponse(f"more than {_LONGEST_ANSWER_BYTES:,} bytes")
            yield data

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The events of a stream up to `[DONE]`."""
    assert isinstance(response.stream, httpx.AsyncByteStream)
    response.stream = _Limited(response.stream)
    # Not every server names the content type, and SSE is always UTF-8.
    response.headers["content-type"] = "text/event-stream; charset=utf-8"
    async with aclosing(EventSource(response).aiter_sse()) as events:
        async for event in events:
            if event.data == "[DONE]":
                yield _DONE
                return
            if event.data:
                yield _object(event.data)


def _object(payload: str) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _InvalidResponse(f"an event is not a JSON object: {payload[:_SHOWN]!r}")
    if found.get("error"):
        raise _InvalidResponse(f"the stream failed: {_message(json.dumps(found))}")
    return found


def _take(reading: "_Reading", event: dict[str, Any]) -> None:
    try:
        reading.take(event)
    except (AttributeError, TypeError) as error:
        raise _InvalidResponse(
            f"unexpected form of an event: {json.dumps(event)[:_SHOWN]}"
        ) from error


def _valid_unicode(text: str) -> str:
    """Removes lone surrogates: some servers split characters, and a lone surrogate cannot be
    encoded for a judge or a file."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _message(text: str) -> str:
    """The message in an error's body, or else the body."""
    try:
        found = str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        found = text
    return " ".join(found.split())[:_SHOWN]


class _Reading:
    """An answer during streaming."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._started = clock, clock()
        self._text: list[str] = []
        self._first: float | None = None
        self._last = 0.0
        self._gap: float | None = None
        self._usage: dict[str, Any] = {}
        self._niche: dict[str, Any] = {}
        self._model: str | None = None
        self.finish: str | None = None
        self.error: str | None = None

    def take(self, event: dict[str, Any]) -> None:
        """Reads one event."""
        self._model = event.get("model") or self._model
        self._usage = event.get("usage") or self._usage
        self._niche |= event.get("niche") or {}
        for choice in event.get("choices") or ():
            self.finish = self.finish or choice.get("finish_reason")
            piece = (choice.get("delta") or {}).get("content")
            if piece:
                self._piece(piece)

    def _piece(self, piece: str) -> None:
        now = self._clock() - self._started
        if self._first is None:
            self._first = now
        else:
            self._gap = max(self._gap or 0.0, now - self._last)
        self._last = now
        self._text.append(piece)

    def outcome(self, request: ChatRequest) -> Outcome:
        """The complete answer."""
        return Outcome(
            row=request.row,
            arm=request.arm,
            asked=request.model,
            text=_valid_unicode("".join(self._text)),
            timing=self._timing(),
            usage=Usage(
                self._usage.get("prompt_tokens"),
                self._usage.get("completion_tokens"),
                self._niche.get("cost"),
                self._niche.get("attributed_cost"),
                self._niche.get("engine_seconds"),
                (self._usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
            ),
            error=self.error,
            model=self._niche.get("model"),
            reported_model=self._model,
            domain=self._niche.get("domain"),
            reason=self._niche.get("reason"),
            finish=self.finish,
        )

    def _timing(self) -> Timing:
        tokens, per_token = self._usage.get("completion_tokens"), None
        if tokens is not None and tokens > 1 and self._first is not None:
            per_token = (self._last - self._first) / (tokens - 1)
        return Timing(self._first, self._clock() - self._started, per_token, self._gap)
