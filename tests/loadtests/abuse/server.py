"""A server of one process to be abused in tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from loadtests.abuse.hostile import Order
from loadtests.abuse.stacks import Keys
from loadtests.traffic.stack import free_port

KEYS = Keys("polite-key", "hostile-key", "grader-key", "operator-key")


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[int]:
    """Its port."""
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


def order(abuse: str, port: int, clients: int = 2, seconds: float = 60.0) -> Order:
    """An abuse of a server."""
    return Order(abuse, ("127.0.0.1", port), "127.0.0.2", KEYS, "generalist", clients, seconds)
