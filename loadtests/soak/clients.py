"""Clients that no server likes: they hang up, send junk, or give their requests no time.

Rule: what they get is counted by its status; a connection without an answer counts as `closed`.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp
from yarl import URL

from loadtests.chaos.requests import Asked

_ANSWER_SECONDS = 5.0
_HANG_UP_SECONDS = (0.02, 2.0)
_SHORT_SECONDS = (0.05, 1.5)
_PAUSE_SECONDS = 0.2


def junk(asked: Asked) -> dict[str, bytes]:
    """What is sent, by what is wrong with it."""
    key = f"authorization: Bearer {asked.server.key}\r\n"
    body = json.dumps(asked.body(stream=False, number=0)).encode()

    def post(content: bytes, *, path: str = "/v1/chat/completions", headers: str = key) -> bytes:
        head = f"POST {path} HTTP/1.1\r\nhost: niche\r\n{headers}"
        length = f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        return (head + length).encode() + content

    return {
        "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\xff\xfe\r\n\r\n",
        "half a head": b"POST /v1/chat/completions HTTP/1.1\r\nhost: ni",
        "half a body": post(body)[:-20],
        "no JSON": post(b"{" * 100),
        "a wrong type": post(b'{"model": 7, "messages": "x"}'),
        "no key": post(body, headers=""),
        "an unknown model": post(body.replace(asked.model.encode(), b"nobody")),
        "an unknown path": post(body, path="/v1/nothing"),
        "a long header": post(body, headers=f"{key}x-long: {'x' * 100_000}\r\n"),
        "deep JSON": post(b"[" * 100_000),
    }


class BadClients:
    """They do it again and again until they are told to stop.

    Args:
        asked: what good clients ask.

    Attributes:
        seen: how often each of them saw what.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked, self._junk = asked, junk(asked)
        self.seen: Counter[tuple[str, str]] = Counter()

    async def run(self, stopping: asyncio.Event) -> None:
        """One of each kind."""
        await asyncio.gather(
            self._again(self._send_junk, stopping),
            self._again(self._hang_up, stopping),
            self._again(self._no_time, stopping),
        )

    async def _again(self, act: Callable[[], Awaitable[None]], stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await act()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _send_junk(self) -> None:
        url = URL(self._asked.server.url)
        for name, sent in self._junk.items():
            status = "closed"
            with suppress(OSError, TimeoutError, ValueError, IndexError):
                async with asyncio.timeout(_ANSWER_SECONDS):
                    reader, writer = await asyncio.open_connection(url.host, url.port)
                    writer.write(sent)
                    if name.startswith("half"):
                        await asyncio.sleep(0.5)
                    else:
                        status = (await reader.readline()).split()[1].decode()
                    writer.close()
            self.seen[f"junk: {name}", status] += 1

    async def _hang_up(self) -> None:
        stream = random.random() < 0.5
        status = await self._ask(stream, {}, random.uniform(*_HANG_UP_SECONDS))
        self.seen["hang-ups", status] += 1

    async def _no_time(self) -> None:
        seconds = random.uniform(*_SHORT_SECONDS)
        headers = {"x-request-timeout": f"{seconds:.3f}"}
        status = await self._ask(False, headers, seconds + _ANSWER_SECONDS)
        self.seen["no time", status] += 1

    async def _ask(self, stream: bool, headers: dict[str, str], seconds: float) -> str:
        """The status, or that the client left."""
        headers = {"authorization": f"Bearer {self._asked.server.key}", **headers}
        url = f"{self._asked.server.url}/v1/chat/completions"
        body = self._asked.body(stream, random.randrange(1 << 30))
        try:
            async with (
                asyncio.timeout(seconds),
                aiohttp.ClientSession(headers=headers) as session,
                session.post(url, json=body) as response,
            ):
                await response.read()
                return str(response.status)
        except TimeoutError:
            return "left"
        except (aiohttp.ClientError, OSError):
            return "closed"
