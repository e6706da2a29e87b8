"""What goes wrong at the server of the openai engine, and what it becomes."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse

from deployments.engine import create_engine
from deployments.protocol import DeadlineExceeded, InvalidPrompt, Overloaded, Unavailable
from tests.deployments.upstream import CONTEXT, Upstream, ask, connected, delta, event, prompt, spec


@pytest.fixture
def upstream():
    return Upstream()


async def test_a_stream_that_just_ends_is_an_error(upstream):
    """Without a finish reason and [DONE] the answer is not whole, and is not passed as such."""
    upstream.streams(delta("a"))
    async with connected(upstream) as engine:
        with pytest.raises(Unavailable, match=r"stream.*complete"):
            await ask(engine)
        assert (await engine.load()).failed == 1


async def test_an_error_within_the_stream_is_raised(upstream):
    """A server that has sent its headers reports errors as events."""
    upstream.streams(delta("a"), {"error": {"message": "too long", "param": "prompt", "code": 400}})
    async with connected(upstream) as engine:
        with pytest.raises(InvalidPrompt) as caught:
            await ask(engine)
    assert (caught.value.parameter, caught.value.reason) == ("prompt", "too long")


async def test_an_unreadable_event_is_an_error(upstream):
    """Whatever is no JSON of the API makes the answer unusable."""
    upstream.streams(b"data: <html>\n\n")
    async with connected(upstream) as engine:
        with pytest.raises(Unavailable, match="unreadable"):
            await ask(engine)


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7),
        (None, 1, 1),
        ("soon", 1, 1),
        ("nan", 1, 1),
        (format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True), 3000, 3600),
    ],
    ids=["seconds", "absent", "nonsense", "not a number", "date"],
)
async def test_429_is_overloaded(upstream, header, low, high):
    """`Retry-After` is respected as seconds or as a date."""
    headers = {"Retry-After": header} if header else {}
    upstream.response = JSONResponse({"error": {"message": "slow down"}}, 429, headers)
    async with connected(upstream) as engine:
        with pytest.raises(Overloaded) as caught:
            await ask(engine)
    assert low <= caught.value.retry_after_seconds <= high


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_refused_request_is_invalid(upstream, status):
    """The parameter is the one that upstream names."""
    upstream.response = JSONResponse({"error": {"message": "no", "param": "top_p"}}, status)
    async with connected(upstream) as engine:
        with pytest.raises(InvalidPrompt) as caught:
            await ask(engine)
    assert (caught.value.parameter, caught.value.reason) == ("top_p", "no")


@pytest.mark.parametrize("status", [302, 404, 500, 503])
async def test_other_statuses_are_unavailable(upstream, status):
    """The status is named, whatever the body is."""
    upstream.response = PlainTextResponse("<html>", status)
    async with connected(upstream) as engine:
        with pytest.raises(Unavailable, match=str(status)):
            await ask(engine)


async def test_nobody_listening_is_unavailable():
    """A refused connection says which server could not be reached."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    engine = create_engine(spec(base_url=f"http://127.0.0.1:{port}/v1"), CONTEXT)
    await engine.start()
    with pytest.raises(Unavailable, match=f"127.0.0.1:{port}"):
        await ask(engine)
    with pytest.raises(Unavailable):
        await engine.health()
    await engine.stop()


async def test_an_engine_that_is_not_started_is_unavailable():
    """Asking before `start` is an error of its own."""
    with pytest.raises(Unavailable):
        await ask(create_engine(spec(base_url="http://127.0.0.1:1"), CONTEXT))


async def test_a_lost_connection_is_unavailable(upstream):
    """A server that dies while answering ends the answer with an error."""

    async def dies():
        yield event(delta("a"))
        raise ConnectionResetError

    upstream.response = StreamingResponse(dies())
    async with connected(upstream) as engine:
        stream = engine.stream(prompt())
        assert (await anext(stream)).text == "a"
        with pytest.raises(Unavailable, match="connection lost"):
            await anext(stream)


async def test_a_silent_server_exceeds_the_timeout(upstream):
    """`timeout_seconds` without a byte is `DeadlineExceeded`."""

    async def silence():
        yield event(delta("a"))
        await asyncio.sleep(30)

    upstream.response = StreamingResponse(silence())
    async with connected(upstream, timeout_seconds=0.05) as engine:
        with pytest.raises(DeadlineExceeded) as caught:
            await ask(engine, prompt(deadline_seconds=20))
    assert caught.value.seconds == 0.05


async def test_a_steady_server_exceeds_the_prompts_deadline(upstream):
    """The prompt's deadline is for the whole answer, and its end frees the server."""
    upstream.streams_for_ever(delta("a"))
    async with connected(upstream) as engine:
        with pytest.raises(DeadlineExceeded) as caught:
            await ask(engine, prompt(deadline_seconds=0.05))
        await asyncio.wait_for(upstream.left.wait(), 5)
    assert caught.value.seconds == 0.05


async def test_the_key_is_sent_and_nowhere_shown(upstream, monkeypatch):
    """The key reaches the server; errors and `repr` lack it, even when the server quotes it."""
    monkeypatch.setenv("NICHE_TEST_KEY", "sk-secret")
    upstream.response = JSONResponse({"error": {"message": "bad key sk-secret"}}, 400)
    async with connected(upstream, api_key_env="NICHE_TEST_KEY") as engine:
        with pytest.raises(InvalidPrompt) as caught:
            await ask(engine)
        assert upstream.headers[0]["authorization"] == "Bearer sk-secret"
        assert "sk-secret" not in repr(engine) + repr(caught.value) + str(vars(engine)["_client"])
    assert "bad key" in caught.value.reason


async def test_the_key_is_not_shown_by_an_error_within_the_stream(upstream, monkeypatch):
    """A server that quotes the key after its headers is heard without it too."""
    monkeypatch.setenv("NICHE_TEST_KEY", "sk-secret")
    upstream.streams({"error": {"message": "bad key sk-secret"}})
    async with connected(upstream, api_key_env="NICHE_TEST_KEY") as engine:
        with pytest.raises(Unavailable, match=r"bad key \*\*\*"):
            await ask(engine)


async def test_a_health_check_without_an_answer_is_unavailable(upstream):
    """A server that is too slow to say how it is, is not well."""
    upstream.health_seconds = 0.3
    async with connected(upstream, timeout_seconds=0.05) as engine:
        with pytest.raises(Unavailable, match="ReadTimeout"):
            await engine.health()


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_are_unavailable(upstream, status):
    """A wrong key is no fault of the client's request."""
    upstream.response = JSONResponse({"error": {"message": "bad key sk-1"}}, status)
    async with connected(upstream) as engine:
        with pytest.raises(Unavailable, match="credentials") as caught:
            await ask(engine)
    assert "sk-1" not in caught.value.reason


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({}, "engine_options.base_url"),
        ({"base_url": "host:80"}, "engine_options.base_url"),
        ({"base_url": "http://h", "timeout_seconds": 0}, "engine_options.timeout_seconds"),
        ({"base_url": "http://h", "api_key": "sk"}, "engine_options.api_key: unknown key"),
        ({"base_url": "http://h", "api_key_env": "NICHE_ABSENT"}, "engine_options.api_key_env"),
    ],
)
def test_wrong_options_are_named(options, key):
    """A fault in the options names `engine_options.KEY`, and never shows a value given as a key."""
    with pytest.raises(ValueError, match=key) as caught:
        create_engine(spec(**options), CONTEXT)
    assert "sk" not in str(caught.value)
