"""What hostile clients send, and what they count."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from aiohttp import web

from loadtests.abuse.attacks import ATTACKS
from loadtests.abuse.hostile import OPEN, Attacker, Order
from tests.loadtests.abuse.server import order, serving

Served = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def seen(abuse: str, port: int, enough: Callable[[], bool] | int = 2) -> dict[str, int]:
    """What two clients have seen when it is enough: so many ends, or when somebody says so."""
    begun = asyncio.Event()
    attacker = Attacker(order(abuse, port), begun.set)
    attack = asyncio.ensure_future(ATTACKS[abuse].act(attacker))
    wanted = enough if callable(enough) else lambda: attacker.seen.total() >= enough
    await begun.wait()
    while not wanted():  # noqa: ASYNC110 - what was seen is a count, no event
        await asyncio.sleep(0.01)
    attack.cancel()
    await asyncio.wait([attack])
    return dict(attacker.seen)


async def seen_of(
    abuse: str, served: Served, enough: Callable[[], bool] | int = 2
) -> dict[str, int]:
    server = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        return await seen(abuse, server.sockets[0].getsockname()[1], enough)
    finally:
        server.close()


@pytest.mark.parametrize("abuse", ["metrics", "evidence", "ready", "requests", "prompts"])
async def test_clients_ask_again_and_again(abuse: str) -> None:
    """Each over its connection, until the time is over, and from an address of their own."""
    sources = set[str]()

    async def answer(request: web.Request) -> web.Response:
        sources.add(request.remote or "")
        await request.read()
        return web.Response(text="x" * 100)

    app = web.Application(client_max_size=1 << 23)
    app.router.add_route("*", "/{path:.*}", answer)
    async with serving(app) as port:
        counts = await seen(abuse, port, 4)

    assert counts["200"] >= 4
    assert sources == {"127.0.0.2"}


@pytest.mark.parametrize("abuse", ["heads", "bodies", "idle", "readers"])
async def test_who_is_not_cut_off_is_counted(abuse: str) -> None:
    """The server here has all the time."""
    open_ones = list[asyncio.StreamWriter]()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.append(writer)
        with suppress(ConnectionResetError):
            await reader.read()
        writer.close()

    assert await seen_of(abuse, wait, lambda: len(open_ones) == 2) == {OPEN: 2}


@pytest.mark.parametrize("abuse", ["heads", "bodies"])
async def test_so_is_who_is_cut_off(abuse: str) -> None:
    """With the status, if there is one."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    assert await seen_of(abuse, cut) == {"408": 2}


async def test_an_abuse_ends_with_its_time() -> None:
    """Which counts from when all clients are at it, whatever they do then."""

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    begun = list[str]()
    attacker = Attacker(
        order("heads", server.sockets[0].getsockname()[1], seconds=0.05),
        lambda: begun.append("all are connected"),
    )

    await ATTACKS["heads"].act(attacker)

    server.close()
    assert attacker.seen == {OPEN: 2}
    assert begun == ["all are connected"]


async def test_connections_are_opened_and_closed() -> None:
    """And nothing is sent."""
    sent = bytearray()

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionResetError):
            sent.extend(await reader.read())
        writer.close()

    counts = await seen_of("churn", read)

    assert counts["opened"] >= 2
    assert not sent


async def test_some_hang_up_before_their_answer() -> None:
    """They asked for a stream."""
    heads = list[bytes]()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readline())
        writer.close()

    counts = await seen_of("hangups", wait, lambda: any(heads))

    assert counts.keys() <= {"left", OPEN}
    assert b"POST /v1/chat/completions HTTP/1.1\r\n" in heads


async def test_a_closed_door_is_no_connection() -> None:
    """Nobody listens."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()

    assert set(await seen("idle", port)) == {"ConnectionRefusedError"}


def test_an_order_comes_back_from_its_line() -> None:
    """Keys go with it, and are not shown."""
    sent = order("heads", 1)

    assert Order.from_json(sent.to_json()) == sent
    assert sent.keys.hostile not in repr(sent)
