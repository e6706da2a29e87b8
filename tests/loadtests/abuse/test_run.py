"""A polite client with and without hostile ones, which have processes of their own."""

import asyncio
import json
import os
import sys
from itertools import pairwise

from aiohttp import web

from loadtests.abuse.attacker import READY
from loadtests.abuse.run import Plan, measure
from loadtests.abuse.stacks import Attacked
from loadtests.overload.clients import Target
from loadtests.traffic.client import Server
from tests.loadtests.abuse.server import KEYS, order, serving


async def test_the_polite_client_is_measured_around_and_beside_an_abuse() -> None:
    """One round has a quiet time before and one after; the hostile clients come in between."""
    asked = list[str]()

    async def answer(request: web.Request) -> web.Response:
        asked.append("polite" if request.remote == "127.0.0.1" else "hostile")
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with serving(app) as port:
        target = Target(Server(f"http://127.0.0.1:{port}", KEYS.polite), "generalist")
        attacked = Attacked(target, KEYS, os.getpid())
        measured = await measure("metrics", attacked, 20.0, Plan(1, 0.5, clients=1))

    assert [len(of.seconds) for of in (*measured.quiet, *measured.abused)] == [10, 10, 10]
    assert asked.count("hostile") - measured.spoils.seen["200"] in (0, 1)  # in flight at the end
    assert measured.spoils.cpu_seconds > 0
    assert measured.growth_bytes is not None
    [first, *_], [*_, last] = asked, asked
    changes = sum(one != other for one, other in pairwise(asked))
    assert (first, last) == ("polite", "polite")
    assert changes >= 2


async def test_hostile_clients_end_with_who_started_them() -> None:
    """When their input is closed, long before the time is over."""
    async with serving(web.Application()) as port:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "loadtests.abuse.attacker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert (await process.stdout.readline()).decode().strip() == READY
        line = order("idle", port).to_json()
        process.stdin.write(f"{line}\n".encode())
        await process.stdin.drain()
        process.stdin.close()

        left = await process.stdout.read()
        assert await process.wait() == 0

    assert not left


async def test_memory_is_that_of_a_tree() -> None:
    """At first, and at most until the input is closed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtests.abuse.memory"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(f"{json.dumps(os.getpid())}\n".encode())

    first, most = map(int, output.split())
    assert 1_000_000 < first <= most
