"""Which pods get new connections."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from loadtests.nodes.service import NAME, Service
from loadtests.traffic.stack import free_port

POD, OTHER = "127.0.0.1", "127.0.0.2"


@asynccontextmanager
async def healthy(port: int, *addresses: str) -> AsyncIterator[None]:
    async def health(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/-/healthz", health)
    runner = web.AppRunner(app)
    await runner.setup()
    for address in addresses:
        await web.TCPSite(runner, address, port).start()
    yield
    await runner.cleanup()


async def asked(service: Service, times: int = 4) -> set[str]:
    return {found["host"] for _ in range(times) for found in await service.resolve(NAME)}


async def test_ready_pods_are_asked_in_turn() -> None:
    port = free_port()
    service = Service(port)
    service.join(POD)
    service.join(OTHER)
    async with healthy(port, POD):
        await service.probe()
    assert await asked(service) == {POD}
    async with healthy(port, POD, OTHER):
        await service.probe()
    assert await asked(service) == {POD, OTHER}


async def test_nobody_is_asked_when_no_pod_is_ready() -> None:
    """What has never been probed is not ready."""
    service = Service(free_port())
    service.join(POD)
    with pytest.raises(OSError, match=NAME):
        await service.resolve(NAME)


@pytest.mark.parametrize(
    ("spread_seconds", "left"), [(60.0, {POD, OTHER}), (0.0, {OTHER})], ids=["at first", "then"]
)
async def test_a_pod_that_is_to_end_is_asked_until_all_nodes_know_it(
    spread_seconds: float, left: set[str]
) -> None:
    port = free_port()
    service = Service(port, spread_seconds)
    service.join(POD)
    service.join(OTHER)
    async with healthy(port, POD, OTHER):
        await service.probe()
    service.leave(POD)
    assert await asked(service) == left
