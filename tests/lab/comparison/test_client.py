"""One streamed request: what is read of it, how it is timed, and what goes wrong."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from lab.comparison.client import ChatRequest, Client, Unreachable
from lab.comparison.endpoint import Endpoint
from lab.comparison.outcomes import Outcome
from lab.comparison.rows import Turn
from tests.deployments.upstream import Upstream, delta, event

CHAT = (Turn(role="user", content="hello"),)
USAGE = {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 3}}
NICHE = {
    "domain": "sql",
    "model": "sql",
    "reason": "routed",
    "cost": 2e-6,
    "attributed_cost": 3e-6,
    "engine_seconds": 0.25,
}
HALVES = (b"\\ud83d", b"\\ude00 \\ud83d")
DONE = b"data: [DONE]\n\n"


def ask_at(url: str, key: str | None = None) -> ChatRequest:
    return ChatRequest("row", "auto", "auto", Endpoint(url, key), CHAT, 16)


async def answered(upstream: Upstream, seconds: float = 5.0, key: str | None = None) -> Outcome:
    """What the client makes of a server's answer, over a real connection."""
    async with upstream.listening() as port, httpx.AsyncClient() as http:
        client = Client(http, time.perf_counter, seconds)
        return await client.send(ask_at(f"http://127.0.0.1:{port}/v1", key))


async def streamed(*pieces: Any) -> Outcome:
    upstream = Upstream()
    upstream.streams(*pieces)
    return await answered(upstream)


async def test_a_streamed_answer_is_put_together() -> None:
    """Text, end, tokens, and who gave it."""
    niche = delta(finish="stop") | {"niche": NICHE, "model": "sql"}

    found = await streamed(delta("Hel"), delta("lo"), niche, USAGE, DONE)

    assert (found.text, found.finish, found.error) == ("Hello", "stop", None)
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (4, 3)
    assert (found.model, found.domain, found.reason) == ("sql", "sql", "routed")
    assert found.usage.list_cost == 2e-6
    assert (found.usage.attributed_cost, found.usage.engine_seconds) == (3e-6, 0.25)


async def test_characters_that_were_cut_in_two_are_whole_again() -> None:
    """Two halves in two pieces are one character; a half alone is none, and harms nobody."""
    halves = [b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n' % half for half in HALVES]

    found = await streamed(*halves, delta(finish="stop"), DONE)

    assert found.text == "\U0001f600 \ufffd"


async def test_what_a_plain_server_does_not_tell_is_not_known() -> None:
    """No route and no cost, but the model that every answer names."""
    found = await streamed(delta("x") | {"model": "gpt"}, delta(finish="stop"), DONE)

    assert (found.model, found.reported_model, found.usage.list_cost) == (None, "gpt", None)


async def test_the_request_is_greedy_streamed_and_counted() -> None:
    """And carries the key."""
    upstream = Upstream()
    upstream.streams(delta("x", "stop"), DONE)

    await answered(upstream, key="secret")

    body = upstream.bodies[0]
    assert (body["temperature"], body["stream"], body["max_tokens"]) == (0, True, 16)
    assert body["stream_options"] == {"include_usage": True}
    assert upstream.headers[0]["authorization"] == "Bearer secret"


async def test_times_are_those_of_the_pieces() -> None:
    """First token, longest pause, per token and end, in their order."""

    async def slow():
        for pause, piece in ((0.05, "a"), (0.02, "b"), (0.1, "c")):
            await asyncio.sleep(pause)
            yield event(delta(piece))
        yield event(delta(finish="stop")) + event(USAGE) + DONE

    upstream = Upstream()
    upstream.streams_from(slow)

    timing = (await answered(upstream)).timing

    assert 0.05 <= timing.first_seconds < timing.seconds
    assert 0.1 <= timing.longest_gap_seconds < timing.seconds
    assert 0.05 <= timing.per_token_seconds <= timing.longest_gap_seconds
    assert timing.seconds >= 0.17


async def test_only_line_feeds_end_a_line() -> None:
    """An answer may hold what else Unicode takes for one."""
    found = await streamed(delta("a\u2028b\x85c"), delta(finish="stop"), DONE)

    assert found.text == "a\u2028b\x85c"


async def test_an_end_without_a_reason_is_an_end() -> None:
    """Some servers give none."""
    assert (await streamed(delta("x"), DONE)).error is None


async def test_a_stream_that_ends_early_is_a_failure() -> None:
    """What came of it is kept."""
    found = await streamed(delta("Hel"))

    assert found.text == "Hel"
    assert found.error is not None
    assert "ended early" in found.error


async def test_an_error_in_the_stream_is_a_failure() -> None:
    """With its message."""
    found = await streamed(delta("Hel"), {"error": {"message": "it died"}})

    assert found.error is not None
    assert "it died" in found.error


@pytest.mark.parametrize("piece", [b"data: {\n\n", b"data: 3\n\n", {"choices": [None]}])
async def test_what_is_no_event_is_a_failure(piece: Any) -> None:
    """And not the end of the run."""
    assert "an event" in (await streamed(piece, DONE)).error


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"error": {"message": "no such model"}}, 404, "HTTP 404: no such model"),
        ("bad\n gateway", 502, "HTTP 502: bad gateway"),
    ],
)
async def test_a_refusal_is_a_failure(body: Any, status: int, said: str) -> None:
    """With its status and its words."""
    upstream = Upstream()
    upstream.answers(body, status)

    assert (await answered(upstream)).error == said


async def test_a_slow_answer_is_a_failure() -> None:
    """After the time that it has."""
    upstream = Upstream()
    upstream.streams_for_ever(delta("x"))

    found = await answered(upstream, seconds=0.1)

    assert found.error is not None
    assert "0.1 s" in found.error


async def test_an_answer_without_end_is_cut() -> None:
    """Memory is not filled by a server that never ends."""
    upstream = Upstream()
    upstream.streams(*[b"x" * 1_000_000] * 5)

    assert "more than 4,000,000 bytes" in (await answered(upstream)).error


async def test_nobody_there_is_no_outcome() -> None:
    """The request was not even sent."""
    async with Upstream().listening() as port:
        pass
    async with httpx.AsyncClient() as http:
        with pytest.raises(Unreachable):
            await Client(http, time.perf_counter, 5).send(ask_at(f"http://127.0.0.1:{port}/v1"))


def test_an_outcome_is_the_same_after_a_file() -> None:
    """All of it, as JSON."""
    outcome = asyncio.run(streamed(delta("x", "stop") | {"niche": NICHE}, USAGE, DONE))

    assert Outcome.from_json(json.loads(json.dumps(outcome.as_json()))) == outcome
