"""Clients that ask once and leave when they have waited long enough.

Rule: they come at their times, however slow the server is. A number of seconds counts from the time
at which a client was due.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import aiohttp

from loadtests.bench.spread import percentile
from loadtests.traffic.client import Server

PATIENCE_SECONDS = 30.0

_PATH = "/v1/chat/completions"
_OK, _REFUSALS = 200, (429, 503)
_CLOSED_LOOP_PAUSE = 0.05
"""After a failure, so that a server that refuses is not asked without pause."""

Outcome = Literal["answered", "refused", "left", "failed"]
"""`left`: without a whole answer, after `PATIENCE_SECONDS`."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One client's request.

    Attributes:
        outcome: how it ended.
        due: seconds after the load began.
        seconds: from then to its end.
        retry_after: what a refusal said, in seconds; None: nothing.
    """

    outcome: Outcome
    due: float
    seconds: float
    retry_after: float | None = None


@dataclass(frozen=True)
class Load:
    """What the clients of one load saw.

    Attributes:
        seconds: for which clients came.
        visits: all requests.
    """

    seconds: float
    visits: tuple[Visit, ...]

    def count(self, outcome: Outcome) -> int:
        """The number of requests that ended so."""
        return sum(visit.outcome == outcome for visit in self.visits)

    @property
    def goodput(self) -> float:
        """Whole answers a second, while clients came."""
        ends = (of.due + of.seconds for of in self.visits if of.outcome == "answered")
        return sum(end <= self.seconds for end in ends) / self.seconds

    @property
    def accepted_share(self) -> float | None:
        """The share of the accepted requests that were answered; None if none was accepted."""
        accepted = len(self.visits) - self.count("refused")
        return self.count("answered") / accepted if accepted else None

    def delay(self, outcome: Outcome, share: float) -> float | None:
        """The seconds that this share of the requests with an outcome took at most."""
        return percentile([of.seconds for of in self.visits if of.outcome == outcome], share)


@dataclass(frozen=True)
class Target:
    """What is loaded: a server, the model that requests name, and the tokens of an answer."""

    server: Server
    model: str
    max_tokens: int = 16

    def body(self, number: int) -> bytes:
        """Of the request with a number: every second one wants a stream."""
        message = {"role": "user", "content": f"Question {number}: what do you say?"}
        fields = {"model": self.model, "messages": [message], "max_tokens": self.max_tokens}
        return json.dumps(fields | {"stream": number % 2 == 1}).encode()


async def arriving(
    target: Target, rate: float, seconds: float, patience: float = PATIENCE_SECONDS
) -> Load:
    """An open loop: a client comes every `1 / rate` seconds."""
    loop = asyncio.get_running_loop()
    async with _session(target.server) as session:
        started = loop.time()
        visits = []
        for number in range(int(rate * seconds)):
            due = number / rate
            await asyncio.sleep(max(0.0, started + due - loop.time()))
            visits.append(
                asyncio.create_task(_visit(session, target, number, started + due, patience))
            )
        ended = await asyncio.gather(*visits)
    return Load(seconds, tuple(_after(started, visit) for visit in ended))


async def together(target: Target, clients: int, seconds: float) -> Load:
    """A closed loop: so many clients, each of which asks again when it has its answer."""
    loop = asyncio.get_running_loop()
    visits: list[Visit] = []
    async with _session(target.server) as session:
        started = loop.time()

        async def client(number: int) -> None:
            while (now := loop.time()) < started + seconds:
                visit = await _visit(session, target, number, now, PATIENCE_SECONDS)
                visits.append(_after(started, visit))
                number += clients
                if visit.outcome != "answered":
                    await asyncio.sleep(_CLOSED_LOOP_PAUSE)

        await asyncio.gather(*map(client, range(clients)))
    return Load(seconds, tuple(visits))


def _session(server: Server) -> aiohttp.ClientSession:
    # Independent clients have a connection each.
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None),
        headers={"content-type": "application/json", **server.headers},
    )


def _after(started: float, visit: Visit) -> Visit:
    return Visit(visit.outcome, visit.due - started, visit.seconds, visit.retry_after)


async def _visit(
    session: aiohttp.ClientSession, target: Target, number: int, due: float, patience: float
) -> Visit:
    loop, retry_after = asyncio.get_running_loop(), None
    outcome: Outcome = "failed"
    try:
        async with asyncio.timeout_at(due + patience):
            url = f"{target.server.url}{_PATH}"
            async with session.post(url, data=target.body(number)) as response:
                if response.status == _OK:
                    outcome = "answered" if _is_whole(await response.read()) else "failed"
                elif response.status in _REFUSALS:
                    outcome, retry_after = "refused", _seconds(response.headers)
    except TimeoutError:
        outcome = "left"
    except aiohttp.ClientError:
        outcome = "failed"
    return Visit(outcome, due, loop.time() - due, retry_after)


def _is_whole(body: bytes) -> bool:
    return body.endswith(b"data: [DONE]\n\n") or body.startswith(b"{")


def _seconds(headers: Mapping[str, str]) -> float | None:
    try:
        return float(headers.get("retry-after", ""))
    except ValueError:
        return None
