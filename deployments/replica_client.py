"""Asks replicas at their own ports; see `deployments/replica_port.py`."""

import asyncio
import io
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import aiohttp
import msgspec

from deployments.frames import PartReader, encode_request
from deployments.protocol import Abandoned, Chunk, ModelRequest, Unavailable
from deployments.replica_port import NOT_TAKEN, TOKEN

_CONNECT_SECONDS = 2.0
_KEEP_SECONDS = 60.0
_NO_LIMIT = 0
_LARGE_BYTES = 2**20  # of a body, from which on aiohttp wants a file
_SPENT_SECONDS = 0.25
"""How long a replica may take to say what a request cost that nobody awaits any more."""
_LOST_AFTER_SECONDS = 15
"""How long a node may be silent until its connections count as broken."""


class NotTaken(Exception):
    """The replica did not begin the request: it has gone, or is about to."""


class BrokeOff(Unavailable):
    """The replica died while it answered, or its connection did."""


class Replica:
    """A replica as a caller knows it.

    Attributes:
        url: of its port.
        token: that lets in.
        ongoing: requests of this process that it has.
        answers: chunks and whole answers that it gave.
        silent: whether it gave none while somebody waited in vain.
        misses: how often in a row its process said nothing when it was asked whether it lives.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token
        self.ongoing = self.answers = self.misses = 0
        self.silent = False
        self._awaited: set[asyncio.Timeout] = set()

    def answered(self) -> None:
        """It is there."""
        self.answers += 1
        self.silent = False

    def lost(self) -> None:
        """Ends the wait for answers that have not begun, with `BrokeOff`."""
        now = asyncio.get_running_loop().time()
        waits, self._awaited = self._awaited, set()  # each can be ended once
        for limit in waits:
            limit.reschedule(now)

    @asynccontextmanager
    async def awaited(self) -> AsyncIterator[None]:
        """A wait that `lost` ends."""
        async with asyncio.timeout(None) as limit:
            self._awaited.add(limit)
            try:
                yield
            finally:
                self._awaited.discard(limit)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Counts a request while the block lasts."""
        self.ongoing += 1
        try:
            yield
        finally:
            self.ongoing -= 1


class ReplicaClient:
    """The connections of one process to all replicas; who owns it starts and stops it.

    Args:
        sign_seconds: how long a process may take to say that it lives.
    """

    def __init__(self, sign_seconds: float = 3.0) -> None:
        self.sign_seconds = sign_seconds
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Makes it usable, on the running loop."""
        self._session = aiohttp.ClientSession(
            # Who asks limits the requests.
            connector=aiohttp.TCPConnector(
                limit=_NO_LIMIT, keepalive_timeout=_KEEP_SECONDS, socket_factory=_socket
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept-Encoding", "Content-Type"),
        )

    async def stop(self) -> None:
        """Closes all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def complete(self, replica: Replica, request: ModelRequest) -> Chunk:
        """The whole answer; cancelling the call cancels the request on the replica.

        Raises:
            NotTaken: the replica did not begin; ask another.
            BackendError: the replica's own, or `BrokeOff`.
            CancelledError: with `Abandoned`.
        """
        try:
            async with self._asked(replica, "complete", request) as response:
                for chunk in PartReader().read(await response.read()):
                    return chunk
        except asyncio.CancelledError as cancelled:
            cancelled.args = (Abandoned(await self._spent(replica, request)),)
            raise
        raise BrokeOff(request.model, "its replica broke off")

    async def _spent(self, replica: Replica, request: ModelRequest) -> int:
        """The tokens that were generated for a request; none, if the replica does not say."""
        if self._session is None:
            return 0
        url, headers = f"{replica.url}/spent", {TOKEN: replica.token}
        asked = {"model": request.model, "request_id": request.request_id}
        with suppress(aiohttp.ClientError, TimeoutError, ValueError):
            async with (
                asyncio.timeout(_SPENT_SECONDS),
                self._session.get(url, params=asked, headers=headers) as answer,
            ):
                return int(await answer.text())
        return 0

    async def stream(self, replica: Replica, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """Yields the answer; leaving early cancels the request on the replica.

        Raises:
            NotTaken, BackendError: as `complete`.
        """
        reader = PartReader()
        async with self._asked(replica, "stream", request) as response:
            async for data in response.content.iter_any():
                for chunk in reader.read(data):
                    yield chunk
        if not reader.ended:
            raise BrokeOff(request.model, "its replica broke off")

    async def lives(self, replica: Replica) -> bool:
        """Whether its process says anything at all, however busy it is."""
        if self._session is None:
            return False
        try:
            async with asyncio.timeout(self.sign_seconds), self._session.get(replica.url):
                return True
        except (aiohttp.ClientError, TimeoutError):
            return False

    @asynccontextmanager
    async def _asked(
        self, replica: Replica, path: str, request: ModelRequest
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise NotTaken
        url, headers = f"{replica.url}/{path}", {TOKEN: replica.token}
        body = encode_request(request)
        data = io.BytesIO(body) if len(body) > _LARGE_BYTES else body
        with replica.counted(), _translated(request.model):
            async with replica.awaited():
                answer = await self._session.post(url, data=data, headers=headers)
            async with answer as response:
                if response.status in NOT_TAKEN:
                    raise NotTaken
                if response.status != 200:
                    raise Unavailable(request.model, f"its replica failed ({response.status})")
                yield response


@contextmanager
def _translated(model: str) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise NotTaken from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise BrokeOff(model, f"its replica broke off ({type(error).__name__})") from error
    except msgspec.DecodeError as error:
        raise Unavailable(model, "its replica sent what is no answer") from error


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that finds out when the other node is lost, which says nothing any more."""
    family, kind, protocol, *_ = address
    found = socket.socket(family, kind, protocol)
    found.setblocking(False)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        third = _LOST_AFTER_SECONDS // 3
        for option, value in (
            (socket.TCP_KEEPIDLE, third),
            (socket.TCP_KEEPINTVL, third),
            (socket.TCP_KEEPCNT, 2),
            (socket.TCP_USER_TIMEOUT, _LOST_AFTER_SECONDS * 1000),
        ):
            found.setsockopt(socket.IPPROTO_TCP, option, value)
    return found
