"""The result of one request over a real connection."""

import asyncio
import json
import re
import time

import pytest

from loadtests.traffic.client import PATIENT, Reader, Server, StreamingClient
from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.result import RequestResult
from tests.deployments.upstream import WHOLE, Upstream, delta, event

BODY = {"model": "auto", "messages": [], "stream": True}


async def asked(
    upstream: Upstream, reader: Reader = PATIENT, seconds: float = 5.0, key: str | None = None
) -> RequestResult:
    async with upstream.listening() as port:
        client = StreamingClient(Server(f"http://127.0.0.1:{port}/v1", key), seconds)
        return await asyncio.to_thread(client.send, BODY, time.perf_counter(), reader)


def streaming(*pieces) -> Upstream:
    upstream = Upstream()
    upstream.streams(*pieces)
    return upstream


async def test_a_streamed_answer_is_read_to_its_end() -> None:
    """With its times and tokens."""
    answer = await asked(streaming(*WHOLE))

    assert (answer.outcome, answer.reason, len(answer.gaps)) == ("answered", "", 1)
    assert answer.usage == {"prompt_tokens": 7.0, "completion_tokens": 5.0}
    assert 0 < answer.first <= answer.seconds < 5


async def test_the_request_carries_its_body_and_the_key() -> None:
    """To the one endpoint."""
    upstream = streaming(*WHOLE)

    await asked(upstream, key="secret")

    assert (upstream.bodies, upstream.paths) == ([BODY], ["/v1/chat/completions"])
    assert upstream.headers[0]["authorization"] == "Bearer secret"


@pytest.mark.parametrize("status", [429, 503])
async def test_an_overloaded_server_refuses(status) -> None:
    """Which is no failure, and has the error's code."""
    upstream = Upstream()
    upstream.answers({"error": {"code": "busy", "message": "later"}}, status)

    answer = await asked(upstream)

    assert (answer.outcome, answer.reason) == ("refused", f"HTTP {status}: busy")


async def test_another_error_is_a_failure() -> None:
    """With what the server says."""
    upstream = Upstream()
    upstream.answers({"detail": "no"}, 500)

    answer = await asked(upstream)

    assert (answer.outcome, answer.reason) == ("failed", 'HTTP 500: {"detail":"no"}')


async def test_a_cut_stream_is_a_failure() -> None:
    """Though its beginning came."""
    answer = await asked(streaming(delta("a")))

    assert answer.outcome == "failed"
    assert answer.first is not None


async def test_a_server_that_is_gone_is_a_failure() -> None:
    """With the name of the error."""
    client = StreamingClient(Server("http://127.0.0.1:9"), 5.0)

    answer = await asyncio.to_thread(client.send, BODY, time.perf_counter(), PATIENT)

    assert answer.outcome == "failed"
    assert answer.reason.startswith("ConnectionRefusedError")


async def test_an_answer_without_an_end_fails_in_time() -> None:
    """Though pieces go on coming."""
    upstream = Upstream()
    upstream.streams_for_ever(delta("x"))

    answer = await asked(upstream, seconds=0.3)

    assert (answer.outcome, answer.seconds < 2) == ("failed", True)


async def test_a_client_that_hangs_up_closes_its_connection() -> None:
    """The server can notice."""
    upstream = Upstream()
    upstream.streams_for_ever(delta("x"))

    async with upstream.listening() as port:
        client = StreamingClient(Server(f"http://127.0.0.1:{port}"), 5.0)
        reader = Reader(disconnect_after=0.2)
        answer = await asyncio.to_thread(client.send, BODY, time.perf_counter(), reader)
        async with asyncio.timeout(2):
            await upstream.left.wait()

    assert answer.outcome == "disconnected"
    assert answer.seconds < 2


async def test_a_slow_reader_takes_its_time() -> None:
    """It pauses before each read."""
    pieces = [event(delta(str(number))) for number in range(4)]

    async def body():
        for piece in (*pieces, event(delta(finish="stop")), b"data: [DONE]\n\n"):
            yield piece
            await asyncio.sleep(0.12)

    upstream = Upstream()
    upstream.streams_from(body)
    answer = await asked(upstream, Reader(pause=0.15))

    assert answer.outcome == "answered"
    assert min(answer.gaps) >= 0.14


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "http://"])
def test_an_address_is_checked(url) -> None:
    """Before anything is sent."""
    with pytest.raises(LoadTestError, match=re.escape(url)):
        Server(url)


def test_a_path_before_the_endpoints_is_kept() -> None:
    """A gateway may stand behind another one."""
    assert Server("https://x/niche/v1/").path("/readyz") == "/niche/readyz"


def test_a_key_is_in_no_message() -> None:
    """Not even in a message."""
    assert "secret" not in repr(Server("http://x", "secret"))
    assert json.dumps(Server("http://x").headers) == "{}"
