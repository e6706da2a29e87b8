"""What a Kubernetes Service does for clients: each new connection goes to a pod that is ready."""

import asyncio
import math
import socket
import time
from collections.abc import Sequence
from itertools import count

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from loadtests.nodes.chart import SERVE_PORT

_PROBE_SECONDS = 5.0
_ANSWER_SECONDS = 2.0
"""KubeRay's readiness probe of workers: one miss takes a pod out."""
NAME = "niche"


class Service(AbstractResolver):
    """Resolves its name to the address of a ready pod, each in turn.

    Args:
        port: of the pods.
        spread_seconds: until all nodes of a cluster know that a pod is to end.
    """

    def __init__(self, port: int = SERVE_PORT, spread_seconds: float = 1.0) -> None:
        self._port, self._spread = port, spread_seconds
        self._ready: dict[str, bool] = {}
        self._until: dict[str, float] = {}
        self._turn = count()

    def join(self, address: str) -> None:
        """Probes a pod from now on."""
        self._ready[address] = False

    def leave(self, address: str) -> None:
        """Takes a pod out: it is to end, or has ended."""
        self._until[address] = time.monotonic() + self._spread

    @property
    def ready(self) -> Sequence[str]:
        """The pods that get new connections."""
        now = time.monotonic()
        return [
            address
            for address, is_ready in self._ready.items()
            if is_ready and now < self._until.get(address, math.inf)
        ]

    async def watch(self, stopping: asyncio.Event) -> None:
        """Probes all pods until `stopping`."""
        while not stopping.is_set():
            await self.probe()
            await asyncio.sleep(_PROBE_SECONDS)

    async def probe(self) -> None:
        """Probes all pods once."""
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            await asyncio.gather(*(self._probe(session, address) for address in self._ready))

    async def _probe(self, session: aiohttp.ClientSession, address: str) -> None:
        try:
            async with session.get(f"http://{address}:{self._port}/-/healthz") as response:
                self._ready[address] = response.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            self._ready[address] = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The next ready pod.

        Raises:
            OSError: there is none.
        """
        ready = self.ready
        if host != NAME or not ready:
            raise OSError(f"{host}: no pod is ready")
        address = ready[next(self._turn) % len(ready)]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=family,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Nothing to close."""
