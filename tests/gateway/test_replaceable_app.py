"""An app takes the place of another while that answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from gateway.replaceable_app import ReplaceableApp, SharedService


class App:
    """An app that answers with its name when it is told to, and notes its start and its end."""

    def __init__(self, name: str, notes: list[str], *, fails: bool = False) -> None:
        self._name, self._notes, self._fails = name, notes, fails
        self.may_answer, self.asked = asyncio.Event(), asyncio.Event()
        self.app = Starlette(routes=[Route("/", self._answer)], lifespan=self._lifespan)

    async def _answer(self, _request: Request) -> PlainTextResponse:
        self.asked.set()
        await self.may_answer.wait()
        return PlainTextResponse(self._name)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        if self._fails:
            raise RuntimeError("no")
        self._notes.append(f"{self._name} starts")
        yield
        self._notes.append(f"{self._name} ends")


@asynccontextmanager
async def client(app: ReplaceableApp) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as asking:
        yield asking


async def test_a_request_ends_with_the_app_that_began_it() -> None:
    """What comes later is the next one's; the old one ends after its last request."""
    notes: list[str] = []
    old, new = App("old", notes), App("new", notes)
    new.may_answer.set()
    app = ReplaceableApp(old.app)
    async with client(app) as asking:
        begun = asyncio.create_task(asking.get("/"))
        await old.asked.wait()

        await app.replace(new.app)

        assert (await asking.get("/")).text == "new"
        await app.drained(0)  # as long as it may take
        assert notes == ["new starts"]
        old.may_answer.set()
        assert (await begun).text == "old"
        await app.drained(10)
        assert notes == ["new starts"]  # the server never started the old one


async def test_what_does_not_start_takes_nobodys_place() -> None:
    """The app before it serves on."""
    notes: list[str] = []
    old = App("old", notes)
    old.may_answer.set()
    app = ReplaceableApp(old.app)
    async with client(app) as asking:
        with pytest.raises(RuntimeError):
            await app.replace(App("new", notes, fails=True).app)

        assert (await asking.get("/")).text == "old"


async def test_the_servers_lifespan_is_that_of_the_newest_app() -> None:
    """The first starts with it; at its end every one has ended."""
    notes: list[str] = []
    app = ReplaceableApp(App("old", notes).app)
    received: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    sent: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    living = asyncio.create_task(app({"type": "lifespan"}, received.get, sent.put))
    await received.put({"type": "lifespan.startup"})
    assert (await sent.get())["type"] == "lifespan.startup.complete"

    await app.replace(App("new", notes).app)
    await received.put({"type": "lifespan.shutdown"})

    assert (await sent.get())["type"] == "lifespan.shutdown.complete"
    await living
    assert notes[:2] == ["old starts", "new starts"]
    assert sorted(notes[2:]) == ["new ends", "old ends"]


async def test_a_shared_service_lives_from_the_first_user_to_the_last() -> None:
    """Connections outlive the app that opened them."""
    notes: list[str] = []

    class Noted:
        async def start(self) -> None:
            notes.append("start")

        async def stop(self) -> None:
            notes.append("stop")

    service = SharedService(Noted())
    await service.start()
    await service.start()
    await service.stop()
    assert notes == ["start"]
    await service.stop()
    assert notes == ["start", "stop"]
