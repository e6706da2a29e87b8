"""A replica's own port and who asks there, over real connections."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from deployments.engine import EngineContext
from deployments.frames import chunk_part
from deployments.handle import ServeBackend
from deployments.protocol import (
    Abandoned,
    BackendError,
    Chunk,
    DeadlineExceeded,
    InvalidPrompt,
    Overloaded,
    PromptTooLong,
    Unavailable,
)
from deployments.replica_client import NotTaken, Replica, ReplicaClient
from deployments.replica_port import TOKEN, ReplicaPort
from deployments.server import ReplicaReport, ServedModelServer
from deployments.spec import ModelSpec
from tests.deployments.test_handle import Handle, Response
from tests.fakes import FakeBackend
from tests.gateway.stacks import until
from tests.model_requests import chat, text_of

ASKED = chat(model="sql")


@asynccontextmanager
async def replica(backend: Any) -> AsyncIterator[tuple[ReplicaPort, Replica]]:
    port = ReplicaPort(backend)
    url = await port.start("127.0.0.1")
    try:
        yield port, Replica(url, port.token)
    finally:
        await port.stop()


@asynccontextmanager
async def client() -> AsyncIterator[ReplicaClient]:
    found = ReplicaClient()
    await found.start()
    try:
        yield found
    finally:
        await found.stop()


async def streamed(asking: ReplicaClient, asked: Replica) -> list[Chunk]:
    return [chunk async for chunk in asking.stream(asked, ASKED)]


async def whole(asking: ReplicaClient, asked: Replica) -> list[Chunk]:
    return [await asking.complete(asked, ASKED)]


Ask = Callable[[ReplicaClient, Replica], Awaitable[list[Chunk]]]
EITHER = pytest.mark.parametrize("ask", [streamed, whole], ids=["streamed", "whole"])


@EITHER
async def test_an_answer_comes_as_the_replica_gives_it(ask: Ask) -> None:
    """Chunks with all their facts, and the request as it was sent."""
    backend = FakeBackend("sql")
    async with replica(backend) as (_, asked), client() as asking:
        given = await ask(asking, asked)
    expected = FakeBackend("sql")
    same = (
        [chunk async for chunk in expected.stream(ASKED)]
        if ask is streamed
        else [await expected.complete(ASKED)]
    )
    assert given == same
    assert backend.requests == [ASKED]


ERRORS = {
    "invalid": InvalidPrompt("max_tokens", "too many"),
    "too long": PromptTooLong("messages", "9 tokens are too many"),
    "overloaded": Overloaded("sql", 3, 2.5),
    "unavailable": Unavailable("sql", "the generation thread died"),
    "late": DeadlineExceeded("sql", 30.0),
}


@EITHER
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
async def test_the_engines_own_errors_arrive_as_they_are(error: BackendError, ask: Ask) -> None:
    """With their class and facts."""
    async with replica(FakeBackend("sql", refusal=error)) as (_, asked), client() as asking:
        with pytest.raises(BackendError) as raised:
            await ask(asking, asked)
    assert type(raised.value) is type(error)
    assert raised.value.args == error.args


@EITHER
async def test_who_leaves_cancels_the_request(ask: Ask) -> None:
    """The replica's engine is free again at once."""
    backend = FakeBackend("sql", first_gate=asyncio.Event())
    async with replica(backend) as (_, asked), client() as asking:
        task = asyncio.ensure_future(ask(asking, asked))
        await until(lambda: backend.open_streams == 1)
        task.cancel()
        await until(lambda: backend.open_streams == 0)
        await asyncio.wait({task})  # it asks what the answer cost
        assert asked.ongoing == 0


@pytest.mark.parametrize(
    ("changes", "tokens"),
    [({}, 5), ({"token": "wrong"}, 0), ({"url": "http://127.0.0.1:9"}, 0)],
    ids=["told", "not-let-in", "gone"],
)
async def test_who_leaves_a_whole_answer_is_told_what_was_generated(
    changes: dict[str, str], tokens: int
) -> None:
    backend = FakeBackend("sql", gate=asyncio.Event(), spent=5)
    async with replica(backend) as (_, asked), client() as asking:
        task = asyncio.ensure_future(asking.complete(asked, ASKED))
        await until(lambda: backend.open_streams == 1)
        for name, value in changes.items():
            setattr(asked, name, value)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        await until(lambda: backend.open_streams == 0)

    assert cancelled.value.args == (Abandoned(tokens),)


async def test_a_time_limit_ends_a_whole_answer_as_any_other() -> None:
    """What a cancellation tells does not change what it is."""
    backend = FakeBackend("sql", gate=asyncio.Event(), spent=5)
    async with replica(backend) as (_, asked), client() as asking:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asking.complete(asked, ASKED)


@EITHER
async def test_a_wrong_token_is_not_let_in(ask: Ask) -> None:
    """Nor none: nothing reaches the engine."""
    backend = FakeBackend("sql")
    async with replica(backend) as (_, asked), client() as asking:
        with pytest.raises(NotTaken):
            await ask(asking, Replica(asked.url, "wrong"))
        stranger = Replica(asked.url, "")
        with pytest.raises(NotTaken):
            await ask(asking, stranger)
        host, port = asked.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n{TOKEN}: ".encode()
        writer.write(head + b"\xff\r\n\r\n")
        assert b" 401 " in await reader.readline()
        writer.close()
    assert backend.requests == []


@EITHER
async def test_a_replica_that_stops_ends_what_it_has_and_takes_nothing_new(ask: Ask) -> None:
    """The open request gets its whole answer."""
    backend = FakeBackend("sql", first_gate=asyncio.Event())
    async with replica(backend) as (port, asked), client() as asking:
        task = asyncio.ensure_future(ask(asking, asked))
        await until(lambda: backend.open_streams == 1)
        stopping = asyncio.ensure_future(port.stop())
        await asyncio.sleep(0.01)
        with pytest.raises(NotTaken):
            await ask(asking, asked)
        assert not stopping.done()
        assert backend.first_gate is not None
        backend.first_gate.set()
        assert text_of(await task)
        await stopping
        with pytest.raises(NotTaken):
            await ask(asking, asked)


@asynccontextmanager
async def breaking(answer: bytes) -> AsyncIterator[Replica]:
    """A replica that dies after it has sent this."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    yield Replica(f"http://{host}:{port}", "any")
    server.close()


BROKEN = {
    "in a part": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\0\0\0\r\n",
    "in a part, with a clean end": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\0\0\0",
    "before an answer": b"",
    "with an error of the server": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "with what is no part": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n\0\0\0\0\1?",
}


@EITHER
@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
async def test_a_replica_that_breaks_off_is_unavailable(answer: bytes, ask: Ask) -> None:
    """As one that says that it cannot."""

    async with client() as asking, breaking(answer) as dying:
        with pytest.raises(Unavailable) as raised:
            await ask(asking, dying)
    assert raised.value.model == "sql"


@EITHER
async def test_a_large_answer_arrives(ask: Ask) -> None:
    """Its parts are put together from many reads."""
    large = "x" * 3_000_000
    backend = FakeBackend("sql", pieces=("a", large))
    async with replica(backend) as (_, asked), client() as asking:
        assert text_of(await ask(asking, asked)) == f"a{large}"


def reporting(*found: Replica, ill: str | None = None) -> list[ReplicaReport]:
    return [ReplicaReport({"sql": ill}, each.url, each.token) for each in found]


BY_HANDLE = Chunk(b'"by handle"', tokens=1)


@asynccontextmanager
async def backend_of(handle: Handle) -> AsyncIterator[ServeBackend]:
    """A backend that has asked its replicas for their reports."""
    async with client() as asking:
        asked = ServeBackend("sql", lambda: handle, client=asking)
        await asked.health("sql")
        yield asked


async def test_replicas_are_asked_at_their_ports() -> None:
    """A conversation's own one, until it has more to do than others; the handle is not asked."""
    gate = asyncio.Event()
    backends = [FakeBackend("sql", first_gate=gate), FakeBackend("sql", first_gate=gate)]
    async with replica(backends[0]) as (_, one), replica(backends[1]) as (_, other):
        handle = Handle(Response(BY_HANDLE), reporting(one, other))
        async with backend_of(handle) as asked:
            tasks = [asyncio.ensure_future(asked.complete(ASKED)) for _ in range(2)]
            await until(lambda: sum(each.open_streams for each in backends) == 2)
            assert sorted(each.open_streams for each in backends) == [0, 2]
            tasks += [asyncio.ensure_future(asked.complete(ASKED)) for _ in range(4)]
            await until(lambda: sum(each.open_streams for each in backends) == 6)
            assert sorted(each.open_streams for each in backends) == [2, 4]
            gate.set()
            await asyncio.gather(*tasks)
    assert handle.asked == 0


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_a_replica_that_has_gone_is_passed_over(stream: bool) -> None:
    """The next one answers, and without one the handle, which knows the replicas that start."""
    async with replica(FakeBackend("sql")) as (_, gone):
        pass
    async with replica(FakeBackend("sql")) as (_, there):
        handle = Handle(Response(BY_HANDLE), reporting(gone, there))
        async with backend_of(handle) as asked:
            given = [await ask_of(asked, stream) for _ in range(2)]
            assert BY_HANDLE not in [chunk for chunks in given for chunk in chunks]
            handle.verdicts = reporting(gone)
            await asked.health("sql")
            assert await ask_of(asked, stream) == [BY_HANDLE]


async def ask_of(asked: ServeBackend, stream: bool) -> list[Chunk]:
    if stream:
        return [chunk async for chunk in asked.stream(ASKED)]
    return [await asked.complete(ASKED)]


async def test_a_port_that_takes_no_request_rests() -> None:
    """Its reports do not bring it back at once: meanwhile the handle is asked."""
    async with replica(FakeBackend("sql")) as (_, found):
        handle = Handle(Response(BY_HANDLE), reporting(Replica(found.url, "wrong")))
        async with backend_of(handle) as asked:
            for times in (1, 2):
                assert await ask_of(asked, False) == [BY_HANDLE]
                assert handle.asked == times
                handle.verdicts = reporting(Replica(found.url, "wrong"))
                await asked.health("sql")
                assert asked._replicas == {}
            handle.verdicts = reporting(found)
            await asked.health("sql")
            assert await ask_of(asked, False) != [BY_HANDLE]


async def test_a_replica_that_lets_wait_in_vain_comes_last() -> None:
    """Until it answers or reports; others that wait there do not count against one that answers."""
    backends = [FakeBackend("sql", first_gate=asyncio.Event()), FakeBackend("sql")]
    async with replica(backends[0]) as (_, hung), replica(backends[1]) as (_, well):
        handle = Handle(None, reporting(hung, well))
        async with backend_of(handle) as asked:
            await until_waiting_at(asked, backends[0])
            for _ in range(20):
                await asked.complete(ASKED)
            assert len(backends[0].requests) == 1
            await asked.health("sql")
            await until_waiting_at(asked, backends[0])


async def until_waiting_at(asked: ServeBackend, backend: FakeBackend) -> None:
    """Begins conversations until one waits at this replica, and leaves it there in vain."""
    before = len(backend.requests)
    async with asyncio.timeout(5):
        for number in count():
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await asked.complete(chat(f"question {number}", "sql"))
            if len(backend.requests) > before:
                return


async def test_a_replica_without_a_report_or_ill_is_not_asked() -> None:
    """Before the first report, and where a replica cannot answer, the handle is asked."""
    async with replica(FakeBackend("sql")) as (_, found):
        handle = Handle(Response(BY_HANDLE), reporting(found))
        async with client() as asking:
            asked = ServeBackend("sql", lambda: handle, client=asking)
            assert await ask_of(asked, False) == [BY_HANDLE]
        handle.verdicts = [*reporting(found, ill="no weights"), ReplicaReport({"sql": None})]
        async with backend_of(handle) as asked:
            assert await ask_of(asked, False) == [BY_HANDLE]


async def test_a_replica_that_serve_leaves_out_for_a_moment_is_not_ill() -> None:
    """It does so while it tells the only one which models it has; longer than that it is ill."""
    async with replica(FakeBackend("sql")) as (_, found):
        handle = Handle(None, reporting(found))
        async with backend_of(handle) as asked:
            before, handle.verdicts = handle.broadcasts, []
            health = asyncio.create_task(asked.health("sql"))
            await until(lambda: handle.broadcasts > before)
            handle.verdicts = reporting(found)
            await health

            handle.verdicts = []
            with pytest.raises(Unavailable):
                await asked.health("sql")


async def test_a_port_is_opened_when_somebody_wants_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the interface at which Ray reaches the node; without one the report has no address."""
    hosts = ["127.0.0.1", "203.0.113.1"]
    monkeypatch.setattr("deployments.server.get_node_ip_address", lambda: hosts.pop(0))
    monkeypatch.setattr("deployments.server.log_as_json", lambda _name: None)
    specs, context = [ModelSpec(name="sql", model="none", engine="fake")], EngineContext(Path("x"))
    open_, closed = (ServedModelServer(specs, context) for _ in range(2))
    await open_.check_health()
    assert (await open_.report()).url is None
    first, second = await asyncio.gather(*(open_.report_with_port() for _ in range(2)))
    assert first == second
    assert first.url is not None
    async with client() as asking:
        assert text_of(await whole(asking, Replica(first.url, first.token)))
    assert (await closed.report_with_port()).url is None
    for server in (open_, closed):
        ending = server.__del__()
        assert ending is not None
        await ending
        assert server.__del__() is None


def test_a_token_is_in_no_text() -> None:
    """Neither of a report nor of a replica."""
    report = ReplicaReport({"sql": None}, "http://127.0.0.1:1", "secret-token")
    assert "secret-token" not in f"{report!r} {report} {Replica(report.url or '', report.token)!r}"


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_what_breaks_off_before_anything_was_sent_is_asked_elsewhere(stream: bool) -> None:
    """Once: a request at which every replica dies does not go through all of them."""
    broken = BROKEN["in a part"]
    async with breaking(broken) as dying, breaking(broken) as other:
        handle = Handle(Response(BY_HANDLE), reporting(dying))
        async with backend_of(handle) as asked:
            assert await ask_of(asked, stream) == [BY_HANDLE]
        handle = Handle(Response(BY_HANDLE), reporting(dying, other))
        async with backend_of(handle) as asked:
            with pytest.raises(Unavailable):
                await ask_of(asked, stream)
            assert handle.asked == 0


async def test_what_breaks_off_after_its_first_chunk_ends_there() -> None:
    """What was sent cannot be taken back."""
    part = chunk_part(BY_HANDLE)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(part)
    async with breaking(head + part + b"\r\n") as dying:
        handle = Handle(Response(BY_HANDLE), reporting(dying))
        async with backend_of(handle) as asked:
            stream = asked.stream(ASKED)
            assert await anext(stream) == BY_HANDLE
            with pytest.raises(Unavailable):
                await anext(stream)
    assert handle.asked == 0


@asynccontextmanager
async def stopped() -> AsyncIterator[Replica]:
    """A process that takes connections and says nothing, as one does after SIGSTOP."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        yield Replica(f"http://{host}:{port}", "any")


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_a_replica_that_hangs_is_left_for_another(stream: bool) -> None:
    """What waits there in vain is asked elsewhere when it gave no sign of life twice."""
    async with stopped() as hung, replica(FakeBackend("sql")) as (_, well):
        handle = Handle(None, reporting(hung))
        async with backend_of(handle) as asked:
            task = asyncio.ensure_future(ask_of(asked, stream))
            await until(lambda: asked._replicas[hung.url][0].ongoing == 1)
            handle.verdicts = reporting(hung, well)
            await asked.health("sql")
            handle.verdicts = [asyncio.Event()]
            asked._client.sign_seconds = 0.05
            for _ in range(2):
                await asked.health("sql")
            assert text_of(await task)


async def test_a_model_whose_only_replica_hangs_is_ill() -> None:
    """One that is busy says something at its port."""
    async with replica(FakeBackend("sql")) as (_, busy):
        handle = Handle(None, reporting(busy))
        async with backend_of(handle) as asked:
            handle.verdicts = [asyncio.Event()]
            for _ in range(3):
                await asked.health("sql")
    async with stopped() as hung:
        handle = Handle(None, reporting(hung))
        async with backend_of(handle) as asked:
            handle.verdicts = [asyncio.Event()]
            asked._client.sign_seconds = 0.05
            await asked.health("sql")
            with pytest.raises(Unavailable):
                await asked.health("sql")


async def test_the_models_of_a_pool_are_one_question_for_a_sign() -> None:
    """However many of them ask, a replica misses it once."""
    async with stopped() as hung:
        handle = Handle(None, reporting(hung))
        async with backend_of(handle) as asked:
            await asked.health("sql")
            handle.verdicts = [asyncio.Event()]
            assert asked._client is not None
            asked._client.sign_seconds = 0.05
            await asyncio.gather(*(asked.health(model) for model in ("sql", "tools", "math")))

            assert asked._replicas[hung.url][0].misses == 1


async def test_a_replica_is_lost_once() -> None:
    """Those that wait there learn it, whoever else finds it out."""
    lost = Replica("http://127.0.0.1:9", "token")

    async def waits() -> None:
        async with lost.awaited():
            await asyncio.Event().wait()

    waiting = asyncio.create_task(waits())
    await asyncio.sleep(0)
    lost.lost()
    lost.lost()
    with pytest.raises(TimeoutError):
        await waiting
