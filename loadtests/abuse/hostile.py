"""Hostile clients: what they are told, how they ask, and what they count.

Rule: they are as cheap as they can be, and each order is bounded in time, clients and acts.
"""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field

from loadtests.abuse.stacks import Keys

MOST_ACTS = 200_000
"""Connections and requests of one order."""
OPEN, OUTSIDE = "open at the end", "not connected at the end"
"""What clients saw whom nobody cut off, or let in, before the time was over."""

_CONNECTING = 256
"""Connections that open at once: more than wait in a server's queue are lost in the kernel."""
_RAMP_SECONDS = 20.0
"""Until all clients have tried to connect."""
_ANSWER_SECONDS = 30.0
_PAUSE_SECONDS = 0.05
_BUFFER = 1 << 23
_OK = 200


@dataclass(frozen=True)
class Order:
    """What hostile clients have to do.

    Attributes:
        abuse: its name.
        address: host and port of the server.
        source: the address that they come from.
        keys: of the stack.
        model: that requests name.
        clients: at once.
        seconds: for how long.
    """

    abuse: str
    address: tuple[str, int]
    source: str
    keys: Keys
    model: str
    clients: int
    seconds: float

    @classmethod
    def from_json(cls, line: str) -> "Order":
        """Reads what `to_json` wrote."""
        fields = json.loads(line)
        host, port = fields["address"]
        return cls(**fields | {"address": (host, port), "keys": Keys(**fields["keys"])})

    def to_json(self) -> str:
        """One line; it holds the keys."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Spoils:
    """What hostile clients got.

    Attributes:
        seen: how often they saw what: a status, or how a connection ended.
        facts: counts that bars are about, by name.
        cpu_seconds: of their process.
    """

    seen: dict[str, int] = field(default_factory=dict)
    facts: dict[str, int] = field(default_factory=dict)
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Connection:
    """A connection of a hostile client, with as much of HTTP/1.1 as it needs."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, request: bytes) -> int:
        """Sends a request; returns the status when the whole answer is there.

        Raises:
            OSError: the connection broke, or nothing came for 30 s.
            EOFError: it ended before the answer did.
            ValueError: the answer is not HTTP.
        """
        self.writer.write(request)
        async with asyncio.timeout(_ANSWER_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
            _, found, length = head.partition(b"\r\ncontent-length:")
            if found:
                await self.reader.readexactly(int(length.partition(b"\r\n")[0]))
            elif b"\r\ntransfer-encoding: chunked" in head:
                await self.reader.readuntil(b"\r\n0\r\n\r\n")
            return int(head.split(maxsplit=2)[1])

    async def end(self) -> str:
        """Waits until the server ends it; the status with which it does, or `closed`."""
        words = (await self.reader.read(4096)).split(maxsplit=2)
        return words[1].decode() if len(words) > 1 else "closed"


Act = Callable[[], Awaitable[str]]
"""What a client does once, or for as long as it can; returns what it saw last."""


class Attacker:
    """The clients of one order.

    Args:
        order: what to do.
        begin: is called when all clients are at it; their time counts from then.

    Attributes:
        seen: how often which status, or which end of a connection, was seen.
    """

    def __init__(self, order: Order, begin: Callable[[], object] = lambda: None) -> None:
        self.order, self.begin = order, begin
        self.seen: Counter[str] = Counter()
        self._tried, self._all_tried = 0, asyncio.Event()
        self._acts = 0
        self._connecting = asyncio.Semaphore(_CONNECTING)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        """A connection, which is torn down afterwards."""
        async with self.line() as line:
            reader, writer = await asyncio.open_connection(sock=line, limit=_BUFFER)
            try:
                yield Connection(reader, writer)
            finally:
                writer.transport.abort()

    @asynccontextmanager
    async def line(self, buffer_bytes: int | None = None) -> AsyncIterator[socket.socket]:
        """A connected socket. No name is resolved, which would take a thread for each.

        Args:
            buffer_bytes: what the kernel may keep of what comes; None: as usual.
        """
        with socket.socket() as line:
            line.setblocking(False)
            if buffer_bytes is not None:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
            line.bind((self.order.source, 0))
            try:
                with self.counted(OUTSIDE):
                    async with self._connecting, asyncio.timeout(_ANSWER_SECONDS):
                        await asyncio.get_running_loop().sock_connect(line, self.order.address)
            finally:
                self._tried += 1
                if self._tried >= self.order.clients:
                    self._all_tried.set()
            with self.counted(OPEN):
                yield line

    @contextmanager
    def counted(self, end: str) -> Iterator[None]:
        """Counts who is in it when the time is over."""
        try:
            yield
        except asyncio.CancelledError:
            self.seen[end] += 1
            raise

    def head(self, method: str, path: str) -> bytes:
        """The first lines of a request with the hostile key, without the blank one."""
        key = f"authorization: Bearer {self.order.keys.hostile}\r\n"
        return f"{method} {path} HTTP/1.1\r\nhost: {self.order.address[0]}\r\n{key}".encode()

    def post(self, body: bytes, length: int) -> bytes:
        """A chat with a body that claims to be so long."""
        more = f"content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        return self.head("POST", "/v1/chat/completions") + more.encode() + body

    def chat(self, text: str, *, stream: bool = False) -> bytes:
        """A chat that says a text."""
        message = {"role": "user", "content": text}
        fields = {"model": self.order.model, "messages": [message], "max_tokens": 16}
        body = json.dumps(fields | {"stream": stream}).encode()
        return self.post(body, len(body))

    async def keep_asking(self, request: bytes) -> str:
        """Asks over one connection until an answer is not 200; returns the last status."""
        async with self.connected() as connection:
            while (status := await connection.ask(request)) == _OK and self._may_act():
                self.seen[str(status)] += 1
        return str(status)

    async def flood(self, act: Act, pause: float = _PAUSE_SECONDS) -> None:
        """All clients act again and again until the time is over.

        Args:
            act: what each does.
            pause: seconds between two of a client's acts.
        """
        clients = [asyncio.create_task(self._again(act, pause)) for _ in range(self.order.clients)]
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_tried.wait(), _RAMP_SECONDS)
            self.begin()
            await asyncio.wait(clients, timeout=self.order.seconds)
        finally:
            for client in clients:
                client.cancel()
            ended = await asyncio.gather(*clients, return_exceptions=True)
        for fault in ended:
            if isinstance(fault, Exception):
                raise fault

    async def _again(self, act: Act, pause: float) -> None:
        while self._may_act():
            try:
                saw = await act()
            except (OSError, EOFError, ValueError) as error:
                saw = type(error).__name__
            self.seen[saw] += 1
            await asyncio.sleep(pause)

    def _may_act(self) -> bool:
        self._acts += 1
        return self._acts <= MOST_ACTS
