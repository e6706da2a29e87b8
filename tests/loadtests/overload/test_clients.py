"""Clients that leave, before a server that answers so many at once."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from loadtests.overload.clients import Load, Target, Visit, arriving, together
from loadtests.overload.upstream import Upstream
from loadtests.traffic.client import Server
from loadtests.traffic.stack import free_port

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[Target]:
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield Target(Server(f"http://127.0.0.1:{port}"), "bench")
    finally:
        await runner.cleanup()


def answering(answer: Answer) -> web.Application:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    return app


async def test_whole_answers_and_streams_are_answers() -> None:
    """Every second one is a stream, and both have to be whole."""
    async with serving(Upstream(8, 0.0).app()) as target:
        load = await arriving(target, 200.0, 0.05)

    assert [visit.outcome for visit in load.visits] == ["answered"] * 10
    assert load.accepted_share == 1.0


def test_a_target_says_how_long_answers_are() -> None:
    """In tokens; every second request wants a stream."""
    asked = json.loads(Target(Server("http://127.0.0.1:1"), "bench", 4).body(1))

    assert (asked["model"], asked["max_tokens"], asked["stream"]) == ("bench", 4, True)


async def test_clients_leave_when_they_have_waited_long_enough() -> None:
    """One has the slot, and who comes after it is not answered in time."""
    async with serving(Upstream(1, 60.0).app()) as target:
        load = await arriving(target, 100.0, 0.03, patience=0.05)

    assert [visit.outcome for visit in load.visits] == ["left"] * 3


async def test_a_refusal_says_when_to_come_again() -> None:
    """Or does not."""

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"retry-after": "7"})

    async with serving(answering(refuse)) as target:
        load = await arriving(target, 100.0, 0.02)

    assert [(of.outcome, of.retry_after) for of in load.visits] == [("refused", 7.0)] * 2
    assert load.accepted_share is None


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b""), (200, b"data: {}\n\n"), (200, b"")],
    ids=["an error", "a stream that breaks off", "nothing"],
)
async def test_what_is_no_whole_answer_has_failed(status: int, body: bytes) -> None:
    """It counts as accepted, and not as answered."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    async with serving(answering(answer)) as target:
        load = await arriving(target, 100.0, 0.01)

    assert [visit.outcome for visit in load.visits] == ["failed"]
    assert load.accepted_share == 0.0


async def test_so_many_clients_ask_one_after_the_other() -> None:
    """The peak is what they get."""
    async with serving(Upstream(2, 0.02).app()) as target:
        load = await together(target, 4, 0.2)

    assert load.count("answered") == len(load.visits) >= 4
    assert load.goodput > 0


def test_goodput_is_of_the_time_in_which_clients_come() -> None:
    """What comes later is an answer, and no goodput."""
    early, late = Visit("answered", 0.0, 1.0), Visit("answered", 9.0, 2.0)

    assert Load(10.0, (early, late, Visit("left", 0.0, 5.0))).goodput == 0.1
