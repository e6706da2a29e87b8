"""What a hop between two processes costs: by a Serve handle, or by HTTP to the replica's own port.

One replica answers each request with the bytes that it got, whole or in pieces with a pause between
them, by a handle's method and by an HTTP server of its own; a caller in another actor asks it in
both ways, in turn, with some requests at a time. Prints requests per second, and the CPU of caller
and replica per request; for streams both per piece. Nothing of this project takes part.

RAY_SERVE_USE_GRPC_BY_DEFAULT=1 python -m loadtests.bench.hop --clients 1 16 64 --rounds 5
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from statistics import median

import ray
from aiohttp import ClientSession, TCPConnector, web
from ray import serve
from ray.serve.handle import DeploymentHandle

_BODY = b"x" * 600
"""Bytes of a short request."""
_PIECES, _PAUSE_SECONDS = 32, 0.02
"""Of a stream."""
_FRAMES = {"request_serialization": "pickle", "response_serialization": "pickle"}
_OBJECT_STORE_BYTES = 128 << 20


class Echo:
    """Answers with what it got."""

    def __init__(self) -> None:
        self._runner: web.AppRunner | None = None

    async def listen(self) -> str:
        """Starts the HTTP server; returns its address."""
        app = web.Application()
        app.router.add_post("/whole", self._http)
        app.router.add_post("/stream", self._http_stream)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def echo(self, body: bytes) -> bytes:
        """By a handle."""
        return body

    async def pieces(self, body: bytes) -> AsyncGenerator[bytes]:
        """By a handle, piece by piece."""
        for _ in range(_PIECES):
            yield body
            await asyncio.sleep(_PAUSE_SECONDS)

    async def cpu_seconds(self) -> float:
        """Of this process so far."""
        return time.process_time()

    async def _http(self, request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def _http_stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for piece in self.pieces(await request.read()):
            await response.write(piece)
        return response


class Caller:
    """Asks in both ways, as a gateway replica does: inside an actor."""

    def __init__(self, echo: DeploymentHandle) -> None:
        self._echo = echo

    async def measure(self, way: str, clients: int, seconds: float) -> tuple[float, float, float]:
        """Answers or pieces per second, and the CPU of each in ms: the caller's and the replica's.

        Args:
            way: by a handle or HTTP, whole or streamed.
            clients: requests at once.
            seconds: how long.
        """
        url = await self._echo.listen.remote()
        async with ClientSession(connector=TCPConnector(limit=0)) as session:
            ask = partial(_ASK[way], self._echo, session, url)
            await asyncio.gather(*(ask() for _ in range(clients)))
            before = time.process_time(), await self._echo.cpu_seconds.remote()
            started = time.monotonic()
            counts = [0] * clients

            async def client(place: int) -> None:
                while time.monotonic() - started < seconds:
                    counts[place] += await ask()

            await asyncio.gather(*map(client, range(clients)))
            took = time.monotonic() - started
            after = time.process_time(), await self._echo.cpu_seconds.remote()
        done = sum(counts)
        own, theirs = (
            1000 * (late - early) / done for late, early in zip(after, before, strict=True)
        )
        return done / took, own, theirs


async def _by_handle(echo: DeploymentHandle, _: ClientSession, __: str) -> int:
    await echo.options(method_name="echo", **_FRAMES).remote(_BODY)
    return 1


async def _by_http(_: DeploymentHandle, session: ClientSession, url: str) -> int:
    async with session.post(f"{url}/whole", data=_BODY) as answer:
        await answer.read()
    return 1


async def _pieces_by_handle(echo: DeploymentHandle, _: ClientSession, __: str) -> int:
    pieces = 0
    async for _piece in echo.options(method_name="pieces", stream=True, **_FRAMES).remote(_BODY):
        pieces += 1
    return pieces


async def _pieces_by_http(_: DeploymentHandle, session: ClientSession, url: str) -> int:
    pieces = 0
    async with session.post(f"{url}/stream", data=_BODY) as answer:
        async for _piece in answer.content.iter_any():
            pieces += 1
    return pieces


_ASK: Mapping[str, Callable[[DeploymentHandle, ClientSession, str], Awaitable[int]]] = {
    "handle": _by_handle,
    "HTTP": _by_http,
    "handle, streamed": _pieces_by_handle,
    "HTTP, streamed": _pieces_by_http,
}


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _measure(
    caller: DeploymentHandle, clients: Sequence[int], rounds: int, seconds: float
) -> None:
    _print(f"{'way':17}{'clients':>8}{'per s':>9}{'CPU caller, ms':>16}{'CPU replica, ms':>17}")
    for number in clients:
        found: dict[str, list[tuple[float, float, float]]] = {way: [] for way in _ASK}
        for _ in range(rounds):
            for way, kept in found.items():
                kept.append(await caller.measure.remote(way, number, seconds))
        for way, kept in found.items():
            rate, own, theirs = (median(column) for column in zip(*kept, strict=True))
            _print(f"{way:17}{number:>8}{rate:>9,.0f}{own:>16.2f}{theirs:>17.2f}")


def main() -> None:
    """Prints a line per way and number of clients: medians of the rounds."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench.hop")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(
        address="local",
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level="ERROR",
    )
    options = {"ray_actor_options": {"num_cpus": 0.1}, "max_ongoing_requests": 1000}
    echo = serve.deployment(name="echo", **options)(Echo).bind()
    caller = serve.run(
        serve.deployment(name="caller", **options)(Caller).bind(echo), route_prefix=None
    )
    asyncio.run(_measure(caller, arguments.clients, arguments.rounds, arguments.seconds))
    ray.shutdown()


if __name__ == "__main__":
    main()
