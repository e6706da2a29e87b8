"""Whether the door is open: a connection of its own every 50 ms."""

import asyncio
import time
from dataclasses import dataclass, field

import aiohttp

from loadtests.traffic.client import Server

_LOOK_SECONDS = 0.05
_ANSWER_SECONDS = 5.0


@dataclass
class Door:
    """Looks at a path that needs no model; `shut` are the times when nobody answered there."""

    server: Server
    path: str
    shut: list[tuple[float, float]] = field(default_factory=list)

    async def watch(self, stopping: asyncio.Event) -> None:
        """Looks until `stopping`."""
        since: float | None = None
        while not stopping.is_set():
            is_open, now = await self._look(), time.monotonic()
            if not is_open and since is None:
                since = now
            elif is_open and since is not None:
                self.shut.append((since, now))
                since = None
            await asyncio.sleep(_LOOK_SECONDS)
        if since is not None:
            self.shut.append((since, time.monotonic()))

    async def _look(self) -> bool:
        headers = {"authorization": f"Bearer {self.server.key}", "connection": "close"}
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.get(self.server.url + self.path) as response,
            ):
                return response.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    def longest(self, begin: float, end: float) -> float:
        """The longest time that it was shut, of those that began between two moments."""
        return max((to - since for since, to in self.shut if begin <= since < end), default=0.0)
