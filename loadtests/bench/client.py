"""A process of the load generator: clients in a closed loop, each over a connection of its own.

    python -m loadtests.bench.client

reads a `ClientTask`, a line of JSON, writes the line `ready`, and reads when to begin, so that all
processes begin together, however long they took to start. In the end it writes a `Tally`.

It sends until the time is over, then waits for what it has sent: no request is cut off, so slow
answers count too. The API key comes from the environment, since anybody can read a process's
arguments.
"""

import asyncio
import json
import os
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import uvloop

from loadtests.bench.stream import StreamResult, TokenTimes

KEY_VARIABLE = "NICHE_BENCH_KEY"
"""The environment variable with the API key."""
MARK = "@@@@@@@@@@@@"
"""In a body: becomes the request's number, so that no two prompts are equal."""
READY = "ready"
"""What a process writes when it can begin."""
MAX_REQUESTS = 1_000_000
"""Of one process in one run."""

_OK, _REFUSALS = 200, (429, 503)
_PAUSE_SECONDS = 0.05
"""After a failure, so that a server that refuses is not asked without pause."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class ClientTask:
    """What a process has to do.

    Attributes:
        url: the endpoint.
        bodies: request bodies with `MARK`, sent in turn.
        number: of the first request.
        stream: whether answers are streams.
        clients: the number of clients.
        seconds: for which requests are sent.
        timeout: seconds after which a request has failed.
        stagger: seconds over which the clients begin, so that they do not act in step.
    """

    url: str
    bodies: tuple[str, ...]
    number: int
    stream: bool
    clients: int
    seconds: float
    timeout: float
    stagger: float = 0.0


@dataclass
class Tally:
    """What the clients saw.

    Attributes:
        completed: requests that were answered.
        in_time: those of them that were answered before the time was over.
        tokens_in_time: tokens of streams that came before the time was over, and after all clients
            had begun.
        failed: requests that were not answered, by reason.
        timed_out: requests without a complete answer in time.
        latencies: seconds of each whole answer.
        streams: each stream, as the fields of a `StreamResult`.
        busy: the share of a core that this process used; near 1 it was the limit.
    """

    completed: int = 0
    in_time: int = 0
    tokens_in_time: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    timed_out: int = 0
    latencies: list[float] = field(default_factory=list)
    streams: list[tuple[float | None, float, int, bool]] = field(default_factory=list)
    busy: float = 0.0

    def fail(self, reason: str) -> None:
        """Counts a request that was not answered."""
        self.failed[reason] = self.failed.get(reason, 0) + 1

    @property
    def stream_results(self) -> tuple[StreamResult, ...]:
        """Each stream."""
        return tuple(StreamResult(*fields) for fields in self.streams)


def merged(tallies: Sequence[Tally]) -> Tally:
    """The tally of several processes; `busy` is that of the busiest."""
    total = Tally(busy=max(tally.busy for tally in tallies))
    for tally in tallies:
        total.completed += tally.completed
        total.in_time += tally.in_time
        total.tokens_in_time += tally.tokens_in_time
        total.timed_out += tally.timed_out
        total.latencies += tally.latencies
        total.streams += tally.streams
        for reason, count in tally.failed.items():
            total.failed[reason] = total.failed.get(reason, 0) + count
    return total


class RequestBytes:
    """The bytes of numbered requests.

    Args:
        url: the endpoint.
        bodies: with `MARK`.
        number: of the first request.
        key: the API key, if any.
    """

    def __init__(self, url: str, bodies: Sequence[str], number: int, key: str | None) -> None:
        parts = urlsplit(url)
        head = f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
        head += "content-type: application/json\r\naccept: */*\r\n"
        if key:
            head += f"authorization: Bearer {key}\r\n"
        self._pieces = []
        for body in bodies:
            data = body.encode()
            before, _, after = data.partition(MARK.encode())
            self._pieces.append(
                (f"{head}content-length: {len(data)}\r\n\r\n".encode() + before, after)
            )
        self._number = number

    def next(self) -> bytes:
        """The next request."""
        self._number += 1
        before, after = self._pieces[self._number % len(self._pieces)]
        return before + f"{self._number:0{len(MARK)}d}".encode() + after


class _Connection(asyncio.Protocol):
    """A connection that asks one thing at a time."""

    def __init__(self, clock: Clock, tokens_seen: Callable[[int, float], None]) -> None:
        self._clock, self._tokens_seen = clock, tokens_seen
        self._parser: Any = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[int] | None = None
        self._times: TokenTimes | None = None
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed before the answer"))

    def data_received(self, data: bytes) -> None:
        self._now = self._clock()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self._answer is not None and not self._answer.done():
                self._answer.set_exception(ConnectionError(f"not HTTP: {error}"))
            self.close()

    def on_body(self, body: bytes) -> None:
        if self._times is not None and self._parser.get_status_code() == _OK:
            self._tokens_seen(self._times.feed(body, self._now), self._now)

    def on_message_complete(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._parser.get_status_code())
        if not self._parser.should_keep_alive():
            self.close()

    async def ask(self, request: bytes, times: TokenTimes | None) -> int:
        """Sends a request and waits for the end of the answer; returns its status."""
        self._answer, self._times = asyncio.get_running_loop().create_future(), times
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.open = False
        self._transport.abort()


class _Client:
    """A client: it asks, at least once, and asks again until the time is over."""

    def __init__(self, run: "ClientRun") -> None:
        self._run = run
        self._connection: _Connection | None = None

    async def work(self, begin: float) -> None:
        run = self._run
        await asyncio.sleep(max(0.0, begin - run.clock()))
        while run.take():
            times = TokenTimes() if run.task.stream else None
            sent = run.clock()
            reason = await self._ask(times)
            run.record(sent, times, reason)
            if reason is not None:
                self._drop()
                await asyncio.sleep(_PAUSE_SECONDS)
            if run.clock() >= run.end:
                break
        self._drop()

    async def _ask(self, times: TokenTimes | None) -> str | None:
        """Returns why it was not answered, or None."""
        try:
            async with asyncio.timeout(self._run.task.timeout):
                status = await (await self._connected()).ask(self._run.requests.next(), times)
        except TimeoutError:
            return "timeout"
        except OSError as error:
            return type(error).__name__
        if status != _OK:
            return "refused" if status in _REFUSALS else f"HTTP {status}"
        return None if times is None or times.done else "cut"

    async def _connected(self) -> _Connection:
        if self._connection is None or not self._connection.open:
            run, loop = self._run, asyncio.get_running_loop()
            _, self._connection = await loop.create_connection(
                lambda: _Connection(run.clock, run.see_tokens), *run.address, ssl=run.tls
            )
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class ClientRun:
    """The clients of one process, and what they saw.

    Args:
        task: what to do.
        key: the API key, if any.
        start: when to begin, by the clock.
        clock: the system's monotonic clock, which all processes share.
    """

    def __init__(
        self, task: ClientTask, key: str | None, start: float, clock: Clock = time.monotonic
    ) -> None:
        self.task, self.clock, self.tally = task, clock, Tally()
        self.start, self.end = start, start + task.seconds
        self.requests = RequestBytes(task.url, task.bodies, task.number, key)
        parts = urlsplit(task.url)
        secure = parts.scheme == "https"
        self.address = (str(parts.hostname), parts.port or (443 if secure else 80))
        self.tls = ssl.create_default_context() if secure else None
        self._left = MAX_REQUESTS

    def take(self) -> bool:
        """Whether one more request may be sent."""
        self._left -= 1
        return self._left >= 0

    def see_tokens(self, count: int, now: float) -> None:
        """Counts tokens as they come, while all clients are at work."""
        if self.start + self.task.stagger <= now <= self.end:
            self.tally.tokens_in_time += count

    def record(self, sent: float, times: TokenTimes | None, reason: str | None) -> None:
        """Counts a request that was sent then, with why it was not answered, if it was not."""
        now, tally = self.clock(), self.tally
        if reason == "timeout":
            tally.timed_out += 1
        elif reason is not None:
            tally.fail(reason)
        else:
            tally.completed += 1
            tally.in_time += now <= self.end
            if times is None:
                tally.latencies.append(now - sent)
        if times is not None:
            first = None if times.first is None else times.first - sent
            tally.streams.append((first, times.worst_gap, times.tokens, reason is None))

    async def run(self) -> Tally:
        """Runs all clients to their end."""
        cpu, began = time.process_time(), self.clock()
        each = self.task.stagger / self.task.clients
        begins = [self.start + index * each for index in range(self.task.clients)]
        await asyncio.gather(*(_Client(self).work(begin) for begin in begins))
        self.tally.busy = (time.process_time() - cpu) / max(self.clock() - began, 1e-9)
        return self.tally


def main() -> None:
    """Runs one process."""
    fields = json.loads(sys.stdin.readline())
    task = ClientTask(**fields | {"bodies": tuple(fields["bodies"])})
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    start = float(sys.stdin.readline())
    tally = uvloop.run(ClientRun(task, os.environ.get(KEY_VARIABLE), start).run())
    json.dump(asdict(tally), sys.stdout)


if __name__ == "__main__":
    main()
