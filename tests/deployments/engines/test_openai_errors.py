"""What goes wrong at the server of the openai engine, and what it becomes."""

import asyncio
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from deployments.engine import create_engine
from deployments.engines._openai_answers import StreamedAnswer, WholeAnswer
from deployments.engines._openai_requests import Wanted
from deployments.protocol import (
    BackendError,
    Chunk,
    DeadlineExceeded,
    InvalidPrompt,
    Overloaded,
    Unavailable,
)
from tests.deployments.upstream import (
    CHUNKED,
    CONTEXT,
    WHOLE,
    Upstream,
    ask,
    connected,
    delta,
    event,
    request,
    spec,
    text_of,
)

BOTH = pytest.mark.parametrize("whole", [True, False], ids=["whole", "streamed"])
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def upstream():
    return Upstream()


async def get(engine, whole, asked=None):
    return await engine.complete(asked or request()) if whole else await ask(engine, asked)


async def failure(engine, whole=False, asked=None) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await get(engine, whole, asked)
    return caught.value


@BOTH
async def test_a_stream_that_just_ends_is_an_error(upstream, whole):
    """Without a finish reason and [DONE] the answer is not whole, and is not passed as such."""
    upstream.streams(delta("a"))
    async with connected(upstream) as engine:
        error = await failure(engine, whole)
        assert (await engine.load("remote")).failed == 1
    assert isinstance(error, Unavailable)
    assert "before the answer was complete" in error.reason


@BOTH
async def test_a_kept_connection_that_ends_is_no_failure(upstream, whole):
    """The request is sent once more, on a new one."""
    upstream.streams(*WHOLE)
    async with connected(upstream) as engine:
        await get(engine, whole)
        upstream.hangs_up(1)
        await get(engine, whole)
        assert (len(upstream.bodies), len(set(upstream.clients))) == (3, 2)
        upstream.hangs_up(2)
        assert isinstance(await failure(engine, whole), Unavailable)
    assert len(upstream.bodies) == 5


@BOTH
async def test_an_error_within_the_stream_is_raised(upstream, whole):
    """A server that has sent its headers reports errors as events."""
    upstream.streams(delta("a"), {"error": {"message": "no", "param": "prompt", "code": 400}})
    async with connected(upstream) as engine:
        error = await failure(engine, whole)
    assert isinstance(error, InvalidPrompt)
    assert (error.parameter, error.detail) == ("messages", "no")


@BOTH
async def test_an_unreadable_event_is_an_error(upstream, whole):
    """Whatever is no JSON of the API makes the answer unusable, after what came before it."""
    upstream.streams(delta("a"), b"data: <html>\n\n", delta("b", finish="stop"))
    async with connected(upstream) as engine:
        error = await failure(engine, whole)
        stream = engine.stream(request())
        assert text_of([await anext(stream)]) == "a"
        with pytest.raises(Unavailable):
            await anext(stream)
    assert isinstance(error, Unavailable)


@BOTH
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b"[]",
        b'{"choices": []}',
        b"not found",
        b'{"choices": [{"index": 0, "message"',
        b'{"choices": [{"index": 0, "message": {"content": "\xff"}}]}',
        b'{"choices": [3]}',
        b'{"choices": [{"index": 0, "delta": "a"}]}',
        b'{"choices": null}',
        b'{"choices": {"0": {"message": {"content": "a"}}}}',
        b'{"choices": [{"index": 0, "finish_reason": "stop"}]}',
        b'{"choices": [{"index": 0, "message": null, "finish_reason": "stop"}]}',
        b'{"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "abort"}]}',
        b'{"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": {"x": 1}}]}',
        b'{"choices": [{"index": 0, "message": {"content": "a"}, "logprobs": {"x": NaN}}]}',
        b'data: {"choices": [{"index": 0, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n',
        b'data: {"choices": []}\n\ndata: {"choices": null}\n\ndata: [DONE]\n\n',
        b"event: ping\ndata: {}\n\n",
        b"[" * 100_000,
        b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=[
        "empty",
        "HTML",
        "empty object",
        "list",
        "no choice",
        "text",
        "cut",
        "no UTF-8",
        "wrong choice",
        "wrong delta",
        "null",
        "choices by name",
        "no message",
        "a message that is null",
        "given up",
        "no reason",
        "no number",
        "no delta",
        "no choice ever",
        "pings alone",
        "deep",
        "deep choices",
    ],
)
async def test_what_is_no_answer_is_unavailable(upstream, body, whole):
    """Though its status is 200."""
    upstream.answers(body)
    async with connected(upstream) as engine:
        assert isinstance(await failure(engine, whole), Unavailable)


@BOTH
async def test_a_stream_that_is_cut_within_a_character_is_unavailable(upstream, whole):
    """The half event is not passed on, and nothing waits for the rest."""
    before, _, _ = event(delta("\u00e9")).partition(b"\xa9")
    upstream.streams(delta("a"), before)
    async with connected(upstream) as engine:
        assert isinstance(await failure(engine, whole), Unavailable)


async def test_an_event_that_is_no_utf8_is_unavailable(upstream):
    """A client could not read it."""
    upstream.streams(b'data: {"choices": [{"index": 0, "delta": {"content": "\xff"}}]}\n\n')
    async with connected(upstream) as engine:
        assert isinstance(await failure(engine), Unavailable)


@BOTH
@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), (None, 1), ("soon", 1), ("nan", 1), ("-3", 0), ("86400", 3600), ("1e999", 1)],
    ids=["seconds", "absent", "nonsense", "not a number", "past", "tomorrow", "never"],
)
async def test_429_is_overloaded(upstream, header, seconds, whole):
    """`Retry-After` is respected, up to an hour; one second is the default."""
    headers = {"Retry_After": header} if header else {}
    upstream.answers({"error": {"message": "slow down"}}, 429, **headers)
    async with connected(upstream) as engine:
        error = await failure(engine, whole)
    assert isinstance(error, Overloaded)
    assert error.retry_after_seconds == seconds


async def test_retry_after_may_be_in_milliseconds(upstream):
    """Azure and OpenAI say both, this one more exactly."""
    upstream.answers({"error": {}}, 429, retry_after_ms="1500", Retry_After="2")
    async with connected(upstream) as engine:
        assert (await failure(engine)).retry_after_seconds == 1.5


async def test_retry_after_may_be_a_date(upstream):
    """It is the time from now."""
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    upstream.answers({"error": {"message": "slow down"}}, 429, Retry_After=later)
    async with connected(upstream) as engine:
        error = await failure(engine)
    assert isinstance(error, Overloaded)
    assert 600 < error.retry_after_seconds <= 3600


@BOTH
@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_refused_request_is_invalid(upstream, status, whole):
    """The parameter is the one that upstream names; its words are not the client's."""
    upstream.answers({"error": {"message": "no such host: 10.1.2.3", "param": "top_p"}}, status)
    async with connected(upstream) as engine:
        error = await failure(engine, whole, request(top_p=0.5))
    assert isinstance(error, InvalidPrompt)
    assert (error.parameter, error.detail) == ("top_p", "no such host: 10.1.2.3")
    assert "10.1.2.3" not in error.reason


@pytest.mark.parametrize(
    ("error", "parameter"),
    [
        ({"message": "no", "param": "messages[0].content"}, "messages[0].content"),
        ({"message": "no", "param": "input_tokens"}, "messages"),
        ({"message": "no", "param": "http://10.1.2.3"}, "messages"),
        ({"message": "no", "param": ["top_p"]}, "messages"),
    ],
    ids=["a place in it", "a name of the server", "an address", "no text"],
)
async def test_a_parameter_that_the_request_lacks_is_not_named(upstream, error, parameter):
    """The client could not find it; the one that holds the prompt is named instead."""
    upstream.answers({"error": error}, 400)
    async with connected(upstream) as engine:
        assert (await failure(engine)).parameter == parameter


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ({"code": "content_filter"}, True),
        ({"type": "unsupported_parameter"}, True),
        ({"code": "unsupported_value"}, True),
        ({"code": "invalid_value"}, False),
    ],
    ids=["filter", "parameter", "value", "another"],
)
async def test_a_refusal_has_words_of_ours(upstream, error, told):
    """More of them where the server's code says why; its own are beside them, for the log."""
    refused = []
    for facts in ({}, error):
        upstream.answers({"error": {"message": "no"} | facts}, 400)
        async with connected(upstream) as engine:
            refused.append(await failure(engine))
    assert [one.detail for one in refused] == ["no", "no"]
    assert (refused[0].reason != refused[1].reason) == told


@BOTH
@pytest.mark.parametrize("status", [502, 503])
async def test_an_unavailable_server_says_when_to_ask_again(upstream, status, whole):
    """As one that has too much to do."""
    upstream.answers("later", status, Retry_After="20")
    async with connected(upstream) as engine:
        error = await failure(engine, whole)
    assert isinstance(error, Unavailable)
    assert error.retry_after_seconds == 20


@BOTH
@pytest.mark.parametrize("status", [302, 404, 500, 503])
async def test_other_statuses_are_unavailable(upstream, status, whole):
    """The status is named, whatever the body is."""
    upstream.answers("<html>", status, Location="/elsewhere")
    async with connected(upstream) as engine:
        error = await failure(engine, whole)
    assert isinstance(error, Unavailable)
    assert str(status) in error.reason


async def test_nobody_listening_is_unavailable():
    """A refused connection says which server could not be reached, and not its password."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    engine = create_engine([spec(base_url=f"http://me:pass@127.0.0.1:{port}/v1")], CONTEXT)
    await engine.start()
    error = await failure(engine)
    assert isinstance(error, Unavailable)
    assert f"127.0.0.1:{port}" in error.reason
    assert "pass" not in error.reason
    with pytest.raises(Unavailable):
        await engine.health("remote")
    await engine.stop()


async def test_an_engine_that_was_stopped_is_unavailable(upstream):
    """It opens no connection any more."""
    async with connected(upstream) as engine:
        await engine.stop()
        assert isinstance(await failure(engine), Unavailable)
        assert upstream.bodies == []


@BOTH
@pytest.mark.parametrize(
    "raw",
    [
        CHUNKED + b"999\r\n" + event(delta("a")),
        CHUNKED + b"zz\r\n" + event(delta("a")),
        OK + b"Content-Length: 999\r\n\r\n{",
        OK + b"Content-Len",
        b"SSH-2.0\r\n\r\n",
        b"",
    ],
    ids=["chunk", "no chunk", "length", "headers", "another protocol", "nothing"],
)
async def test_a_lost_connection_is_unavailable(upstream, raw, whole):
    """A server that dies while answering ends the answer with an error."""
    upstream.sends(raw, closes=True)
    async with connected(upstream) as engine:
        error = await failure(engine, whole)
        assert (await engine.load("remote")).failed == 1
    assert isinstance(error, Unavailable)
    assert error.reason.startswith("connection lost: ")


async def test_what_came_before_the_connection_was_lost_arrives(upstream):
    """Also to a reader that was not waiting for it."""
    body = event(delta("a")) + event(delta("b"))
    upstream.sends(CHUNKED + b"%x\r\n%b\r\n" % (len(body), body), closes=True)
    async with connected(upstream) as engine:
        stream = engine.stream(request())
        chunks = [await anext(stream)]
        await asyncio.sleep(0.05)  # so that the connection is gone
        chunks.append(await anext(stream))
        assert text_of(chunks) == "ab"
        with pytest.raises(Unavailable):
            await anext(stream)


@BOTH
@pytest.mark.parametrize(
    "raw", [b"", CHUNKED, OK + b"Content-Length: 9\r\n\r\n{"], ids=["nothing", "headers", "a byte"]
)
async def test_a_silent_server_exceeds_the_timeout(upstream, raw, whole):
    """`timeout_seconds` without a byte is `DeadlineExceeded`."""
    upstream.goes_silent(raw)
    async with connected(upstream, timeout_seconds=0.05) as engine:
        error = await failure(engine, whole, request(deadline_seconds=20))
        await asyncio.wait_for(upstream.left.wait(), 30)
    assert isinstance(error, DeadlineExceeded)
    assert error.seconds == 0.05


@BOTH
async def test_a_steady_server_exceeds_the_requests_deadline(upstream, whole):
    """The deadline is for the whole answer, and its end frees the server."""
    upstream.streams_for_ever(delta("a"))
    async with connected(upstream) as engine:
        error = await failure(engine, whole, request(deadline_seconds=0.05))
        await asyncio.wait_for(upstream.left.wait(), 30)
    assert isinstance(error, DeadlineExceeded)
    assert error.seconds == 0.05


async def test_an_error_whose_words_do_not_come_is_told_by_its_status(upstream):
    """Nobody waits for the message of an error."""
    upstream.goes_silent(b"HTTP/1.1 429 No\r\nRetry-After: 3\r\nContent-Length: 99\r\n\r\n{")
    async with connected(upstream) as engine:
        error = await failure(engine, asked=request(deadline_seconds=0.2))
    assert isinstance(error, Overloaded)
    assert error.retry_after_seconds == 3


async def test_a_health_check_without_an_answer_is_unavailable(upstream):
    """A server that is too slow to say how it is, is not well."""
    upstream.health_seconds = 0.3
    async with connected(upstream, timeout_seconds=0.05) as engine:
        with pytest.raises(Unavailable) as caught:
            await engine.health("remote")
    assert "0.05 s" in caught.value.reason


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_are_unavailable(upstream, status):
    """A wrong key is no fault of the client's request."""
    upstream.answers({"error": {"message": "bad key sk-1"}}, status)
    async with connected(upstream) as engine:
        error = await failure(engine)
    assert isinstance(error, Unavailable)
    assert str(status) in error.reason
    assert "sk-1" not in error.reason


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({}, "engine_options.base_url"),
        ({"base_url": "host:80"}, "engine_options.base_url"),
        ({"base_url": "http://h:99999"}, "engine_options.base_url"),
        ({"base_url": "http://h/v1/chat/completions"}, "engine_options.base_url"),
        ({"base_url": "http://h", "timeout_seconds": 0}, "engine_options.timeout_seconds"),
        ({"base_url": "http://h", "api_key": "sk"}, "engine_options.api_key: unknown key"),
        ({"base_url": "http://h", "api_key_env": "NICHE_ABSENT"}, "engine_options.api_key_env"),
    ],
)
def test_wrong_options_are_named(options, key):
    """A fault in the options names `engine_options.KEY`, and never shows a value given as a key."""
    with pytest.raises(ValueError, match=key) as caught:
        create_engine([spec(**options)], CONTEXT)
    assert "sk" not in str(caught.value)


@pytest.mark.parametrize("start", [b"data: ", b"{", b": "], ids=["event", "whole", "comment"])
@BOTH
def test_an_answer_that_is_too_large_is_unavailable(start, whole):
    """The error names the limit, and no more than it was kept."""
    reading = WholeAnswer(request(), Wanted()) if whole else StreamedAnswer(request(), Wanted())

    def feed(data: bytes) -> list[Chunk]:
        return list(reading.feed(data) or ())

    feed(start)
    for _ in range(63):
        assert feed(b"x" * 2**20) == []
    with pytest.raises(Unavailable, match="64 MB"):
        feed(b"x" * 2**20)


async def test_a_server_that_pours_is_stopped(upstream):
    """An answer without an end costs no more than its limit, and the connection is closed."""
    upstream.pours(OK + b"\r\n{", b" " * 2**20)
    async with connected(upstream) as engine, asyncio.timeout(60):
        error = await failure(engine, whole=True)
        await asyncio.wait_for(upstream.left.wait(), 30)
    assert "64 MB" in error.reason


def test_a_stream_byte_by_byte_takes_linear_time():
    """As does one whose events are many and in one piece; a second or two of work."""
    body = event(delta("x" * 200_000, finish="stop"))
    started = time.process_time()
    reading = StreamedAnswer(request(), Wanted())
    chunks = [chunk for at in range(len(body)) for chunk in reading.feed(body[at : at + 1])]
    chunks += reading.end(1.0)
    many = b"".join(event(delta("x")) for _ in range(20_000)) + event(delta(finish="stop"))
    reading = WholeAnswer(request(), Wanted())
    reading.feed(many)
    whole = reading.end(1.0)

    assert len(text_of(chunks)) == 200_000
    assert len(text_of([whole])) == 20_000
    assert time.process_time() - started < 10
