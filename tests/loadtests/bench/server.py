"""The bare upstream in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loadtests.bench.upstream import Answers, serve
from loadtests.traffic.stack import free_port


@asynccontextmanager
async def upstream(pace: float = 0.0) -> AsyncIterator[int]:
    """Serves while it is open; yields the port."""
    port, ready = free_port(), asyncio.Event()
    serving = asyncio.create_task(serve(port, Answers(pace), ready.set))
    await ready.wait()
    try:
        yield port
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
