"""A process of the load generator, against small servers in the same event loop."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import pytest

from loadtests.bench.client import MARK, ClientRun, ClientTask, RequestBytes, Tally, merged
from loadtests.bench.stream import TokenTimes
from loadtests.bench.upstream import STREAM_TOKENS, WHOLE_TOKENS
from tests.loadtests.bench.server import upstream


def body(*, stream: bool) -> str:
    fields = {"model": "m", "messages": [{"role": "user", "content": f"hello {MARK}"}]}
    limit = STREAM_TOKENS if stream else WHOLE_TOKENS
    return json.dumps(fields | {"stream": stream, "max_tokens": limit})


def task(url: str, *, stream: bool, patience: float = 5.0) -> ClientTask:
    return ClientTask(
        url=f"{url}/v1/chat/completions",
        bodies=(body(stream=stream),),
        number=0,
        stream=stream,
        clients=2,
        seconds=0.2,
        timeout=patience,
        stagger=0.01,
    )


async def asked(port: int, *, stream: bool, patience: float = 5.0) -> Tally:
    asks = task(f"http://127.0.0.1:{port}", stream=stream, patience=patience)
    return await ClientRun(asks, "secret", time.monotonic()).run()


@asynccontextmanager
async def answering(answer: bytes | None):
    """A server that sends these bytes to every request, and closes; None: it never answers."""

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        if answer is not None:
            writer.write(answer)
            await writer.drain()
        else:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_whole_answers_are_timed() -> None:
    """Each of them, until the time is over."""
    async with upstream() as port:
        tally = await asked(port, stream=False)

    assert tally.completed == len(tally.latencies) > 0
    assert (tally.failed, tally.timed_out, tally.streams) == ({}, 0, [])
    assert tally.in_time <= tally.completed


async def test_streams_are_read_to_their_end() -> None:
    """Also those that are under way when the time is over."""
    async with upstream(pace=0.01) as port:
        tally = await asked(port, stream=True)

    assert tally.completed == len(tally.streams) >= 2
    for stream in tally.stream_results:
        assert (stream.tokens, stream.complete) == (STREAM_TOKENS, True)
        assert stream.first is not None
        assert stream.worst_gap > 0
    assert tally.tokens_in_time <= STREAM_TOKENS * len(tally.streams)


def test_rates_are_of_the_time_in_which_all_clients_are_at_work() -> None:
    """What comes while they begin, or after the end, counts as answered but not in time."""
    now = 100.0
    run = ClientRun(task("http://127.0.0.1:1", stream=True), None, 100.0, lambda: now)

    for when in (100.005, 100.1, 100.2, 100.3):
        run.see_tokens(1, when)
    now = 100.15
    run.record(100.1, TokenTimes(), None)
    now = 100.25
    run.record(100.1, TokenTimes(), None)

    assert run.tally.tokens_in_time == 2
    assert (run.tally.in_time, run.tally.completed) == (1, 2)


async def test_a_refusal_is_a_failure_and_does_not_end_the_client() -> None:
    """A stream that was refused is not complete."""
    async with answering(b"HTTP/1.1 429 Too Many\r\ncontent-length: 2\r\n\r\n{}") as port:
        tally = await asked(port, stream=True)

    assert tally.completed == 0
    assert tally.failed["refused"] == len(tally.streams) >= 2
    assert not any(stream.complete for stream in tally.stream_results)


async def test_a_stream_without_its_end_is_cut() -> None:
    """Though HTTP was complete."""
    event = b'data: {"choices":[{"delta":{"content":"word"}}]}\n\n'
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(event)}\r\n\r\n".encode()
    async with answering(head + event) as port:
        tally = await asked(port, stream=True)

    assert set(tally.failed) == {"cut"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "ConnectionResetError"),
        (b"hello\r\n\r\n", "ConnectionError"),
        (b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", "HTTP 500"),
    ],
    ids=["closed", "not HTTP", "an error"],
)
async def test_a_failure_is_counted_by_its_reason(answer: bytes, reason: str) -> None:
    """None of them ends the run."""
    async with answering(answer) as port:
        tally = await asked(port, stream=False)

    assert tally.completed == 0
    assert tally.failed[reason] >= 2


async def test_an_answer_that_does_not_come_is_given_up() -> None:
    """After the timeout."""
    async with answering(None) as port:
        tally = await asked(port, stream=False, patience=0.05)

    assert tally.timed_out >= 2
    assert tally.failed == {}


def test_no_two_requests_are_equal() -> None:
    """Their bodies have numbers; the length is right, and the key is sent."""
    requests = RequestBytes("http://h:1/v1/x", (f"[é {MARK}]", MARK), 7, "secret")

    sent = [requests.next() for _ in range(3)]

    heads, bodies = zip(*(request.split(b"\r\n\r\n") for request in sent), strict=True)
    assert [text.decode() for text in bodies] == [
        "[é 000000000008]",
        "000000000009",
        "[é 000000000010]",
    ]
    for head, text in zip(heads, bodies, strict=True):
        assert head.startswith(b"POST /v1/x HTTP/1.1\r\nhost: h:1\r\n")
        assert f"content-length: {len(text)}".encode() in head
        assert b"authorization: Bearer secret" in head


def test_tallies_add_up() -> None:
    """The busiest process counts."""
    one = Tally(2, 1, 10, {"cut": 1}, 1, [0.1], [(0.1, 0.02, 5, True)], 0.5)
    other = Tally(3, 3, 5, {"cut": 2, "refused": 1}, 0, [0.2], [], 0.7)

    assert merged([one, other]) == Tally(
        5, 4, 15, {"cut": 3, "refused": 1}, 1, [0.1, 0.2], [(0.1, 0.02, 5, True)], 0.7
    )
