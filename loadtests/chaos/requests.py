"""Clients that ask one after another, streams and whole answers, and how each request ended."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import aiohttp

from loadtests.traffic.client import Server

_EVENT = b"data: "
_GRACE_SECONDS = 10.0
_PAUSE_SECONDS = 0.1
"""After a failure, so that a closed door is not stormed."""


class Outcome(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    REFUSED = "no connection"
    BROKEN = "connection broke, as is seen"
    ERROR_EVENT = "stream ended with an error event"
    ERROR_STATUS = "error, as OpenAI's JSON"
    NOT_JSON = "error that is not OpenAI's JSON"
    CLEAN_END = "clean end without [DONE] or error"
    HUNG = "hung past its deadline"


@dataclass(frozen=True)
class Result:
    """One request; times are monotonic seconds."""

    stream: bool
    began: float
    ended: float
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True)
class Asked:
    """What every client asks.

    Attributes:
        server: whom.
        model: by which name.
        tokens: of an answer.
        deadline_seconds: of a request.
    """

    server: Server
    model: str
    tokens: int
    deadline_seconds: float

    def body(self, stream: bool, number: int) -> dict[str, object]:
        """A chat whose prompt no other has."""
        said = [{"role": "user", "content": f"chaos {number}: tell me a story"}]
        return {
            "model": self.model,
            "messages": said,
            "max_tokens": self.tokens,
            "stream": stream,
        }


class Client:
    """One client, which asks until it is told to stop.

    Args:
        asked: what it asks.
        number: its own; even ones want streams.
        report: takes each result.
        connector: makes its connections; None: aiohttp's own.
    """

    def __init__(
        self,
        asked: Asked,
        number: int,
        report: Callable[[Result], object],
        connector: Callable[[], aiohttp.BaseConnector] | None = None,
    ) -> None:
        self._asked, self._number, self._report = asked, number, report
        self._connector = connector or aiohttp.TCPConnector
        self.began: float | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Asks until `stopping`, and finishes its last request."""
        key = self._asked.server.key
        headers = {"authorization": f"Bearer {key}"} if key else {}
        async with aiohttp.ClientSession(headers=headers, connector=self._connector()) as session:
            count = self._number
            while not stopping.is_set():
                count += 1000
                result = await self._once(session, count)
                self._report(result)
                if result.outcome is not Outcome.ANSWERED:
                    await asyncio.sleep(_PAUSE_SECONDS)

    async def _once(self, session: aiohttp.ClientSession, count: int) -> Result:
        stream = self._number % 2 == 0
        self.began = began = time.monotonic()
        url = f"{self._asked.server.url}/v1/chat/completions"
        try:
            async with (
                asyncio.timeout(self._asked.deadline_seconds + _GRACE_SECONDS),
                session.post(url, json=self._asked.body(stream, count)) as response,
            ):
                outcome, detail = await _read(response, stream)
        except aiohttp.ClientConnectorError as error:
            outcome, detail = Outcome.REFUSED, type(error).__name__
        except TimeoutError:
            outcome, detail = Outcome.HUNG, ""
        except (aiohttp.ClientError, OSError) as error:
            outcome, detail = Outcome.BROKEN, type(error).__name__
        self.began = None
        return Result(stream, began, time.monotonic(), outcome, detail)


async def _read(response: aiohttp.ClientResponse, stream: bool) -> tuple[Outcome, str]:
    if response.status != 200:
        body = await response.read()
        detail = f"{response.status} {body[:200]!r}"
        return (Outcome.ERROR_STATUS if _is_error(body) else Outcome.NOT_JSON), detail
    if not stream:
        json.loads(await response.read())
        return Outcome.ANSWERED, ""
    last = b""
    async for line in response.content:
        if line.startswith(_EVENT):
            last = line[len(_EVENT) :].strip()
    if last == b"[DONE]":
        return Outcome.ANSWERED, ""
    if _is_error(last):
        return Outcome.ERROR_EVENT, repr(last[:200])
    return Outcome.CLEAN_END, repr(last[:200])


def _is_error(body: bytes) -> bool:
    try:
        error = json.loads(body)["error"]
        return bool({"message", "type", "param", "code"} <= error.keys())
    except (ValueError, LookupError, TypeError, AttributeError):
        return False
