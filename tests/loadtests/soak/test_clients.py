"""What bad clients do to a server, and what they see."""

import asyncio

import pytest
from aiohttp import web

from loadtests.chaos.requests import Asked
from loadtests.soak.clients import BadClients, junk
from loadtests.traffic.client import Server
from loadtests.traffic.stack import free_port


async def test_each_kind_is_sent_and_counted():
    """The server here takes no time and knows no path, so that nobody has to leave."""
    port = free_port()
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    bad = BadClients(Asked(Server(f"http://127.0.0.1:{port}", "key"), "any", 4, 1.0))
    stopping = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, stopping.set)

    await bad.run(stopping)

    await runner.cleanup()
    assert bad.seen["junk: an unknown path", "404"] >= 1
    assert bad.seen["junk: half a head", "closed"] >= 1
    assert bad.seen["no time", "404"] >= 1
    assert bad.seen["hang-ups", "404"] + bad.seen["hang-ups", "left"] >= 1


@pytest.mark.parametrize("name", ["no JSON", "a wrong type", "deep JSON"])
def test_only_the_body_is_junk(name):
    """So that it comes as far as it can."""
    sent = junk(Asked(Server("http://127.0.0.1:1", "secret"), "any", 4, 1.0))[name]
    head, _, body = sent.partition(b"\r\n\r\n")
    assert b"Bearer secret" in head
    assert f"content-length: {len(body)}".encode() in head
