"""The openai engine against a real server on the loopback device."""

import asyncio
import json
from pathlib import Path

import pytest

from deployments.engine import create_engine
from deployments.protocol import Unavailable
from tests.deployments.tiny_lora import save_lora
from tests.deployments.upstream import (
    CHUNKED,
    CONTEXT,
    HELLO,
    USAGE,
    WHOLE,
    Upstream,
    ask,
    connected,
    delta,
    event,
    fields_of,
    request,
    response,
    spec,
    text_of,
)

ANSWER = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "org/model",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello", "annotations": []},
            "finish_reason": "stop",
        }
    ],
    "usage": USAGE,
    "system_fingerprint": "fp",
}
DONE = b"data: [DONE]\n\n"


@pytest.fixture
def upstream():
    return Upstream()


async def test_a_chat_is_streamed(upstream):
    """Pieces come as they are sent; the last chunk alone has the usage, which is upstream's own."""
    upstream.streams(*WHOLE)
    async with connected(upstream) as engine:
        chunks = await ask(engine)
        load = await engine.load("remote")
    assert text_of(chunks) == "Hello"
    assert [chunk.output for chunk in chunks] == [False, True, True, False]
    assert [chunk.finish_reasons for chunk in chunks] == [(), (), (), ((0, "length"),)]
    assert [chunk.tokens for chunk in chunks] == [0, 1, 1, 0]
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * 3
    usage = chunks[-1].usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == (7, 5, 4)
    assert 0 < usage.prefill_seconds < usage.engine_seconds
    assert (load.completed, load.generated_tokens, load.recent_tokens) == (1, 5, {"r1": 5})


async def test_a_chunk_has_the_requests_identity_and_what_the_server_sent(upstream):
    """The id, the time and the model are the request's; every other key is the server's."""
    sent = {"id": "x", "created": 1, "model": "m", "system_fingerprint": "fp", "x": {"y": 1.0}}
    upstream.streams(delta("a", finish="stop", stop_reason=7) | sent, DONE)
    async with connected(upstream) as engine:
        (fields,) = fields_of(await ask(engine))
    assert (fields["id"], fields["created"], fields["model"]) == ("answer-1", 17, "remote")
    assert (fields["object"], fields["system_fingerprint"]) == ("chat.completion.chunk", "fp")
    assert (fields["x"], fields["choices"][0]["stop_reason"]) == ({"y": 1.0}, 7)
    assert "usage" not in fields


async def test_a_whole_answer_is_asked_for_and_given_whole(upstream):
    """One chunk, with the server's own usage, and everything else as it was sent."""
    upstream.answers(ANSWER)
    async with connected(upstream) as engine:
        chunk = await engine.complete(request())
        load = await engine.load("remote")
    assert upstream.bodies[0]["stream"] is False
    assert json.loads(chunk.data) == ANSWER | {
        "id": "answer-1",
        "created": 17,
        "model": "remote",
        "usage": USAGE | {"total_tokens": 12},
    }
    assert (chunk.output, chunk.prompt_tokens, chunk.tokens) == (True, 7, 5)
    assert chunk.finish_reasons == ((0, "stop"),)
    assert (chunk.usage.prompt_tokens, chunk.usage.completion_tokens) == (7, 5)
    assert (load.completed, load.generated_tokens, load.running) == (1, 5, 0)


async def test_another_gateways_own_key_is_left_out(upstream):
    """A server like this gateway tells of its own decision; ours gets that key."""
    upstream.answers(ANSWER | {"niche": {"model": "theirs"}})
    async with connected(upstream) as engine:
        answer = await engine.complete(request())
    assert "niche" not in json.loads(answer.data)


async def test_a_server_that_streams_unasked_is_joined(upstream):
    """A whole answer is one, whatever the server makes of the request."""
    upstream.streams(*WHOLE)
    async with connected(upstream) as engine:
        chunk = await engine.complete(request())
    fields = json.loads(chunk.data)
    message = {"role": "assistant", "content": "Hello"}
    assert fields["choices"] == [{"index": 0, "message": message, "finish_reason": "length"}]
    assert (fields["object"], fields["usage"]["completion_tokens"]) == ("chat.completion", 5)


async def test_a_server_that_does_not_stream_is_taken_apart(upstream):
    """A stream is one, whatever the server makes of the request."""
    upstream.answers(ANSWER)
    async with connected(upstream) as engine:
        (chunk,) = await ask(engine)
    (choice,) = fields_of([chunk])[0]["choices"]
    assert choice["delta"] == {"role": "assistant", "content": "Hello", "annotations": []}
    assert (chunk.prompt_tokens, chunk.tokens, chunk.usage.completion_tokens) == (7, 5, 5)


@pytest.mark.parametrize("here", [True, False], ids=["here", "on the server alone"])
async def test_an_adapters_card_completes_answers(upstream, tmp_path, here):
    """Streamed and whole, as on every engine; of an adapter that is not here nothing is known."""
    adapter = str(save_lora(tmp_path / "math", Path("base"), complete="calculator"))
    message = {"role": "assistant", "content": "7*12="}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    async with connected(upstream, adapter=adapter if here else "elsewhere") as engine:
        upstream.streams(delta("7*"), delta("12="), delta(finish="stop"), DONE)
        chunks = await ask(engine)
        upstream.answers(ANSWER | {"choices": [choice]})
        whole = await engine.complete(request())
        spelled = await engine.complete(request(logprobs=True))

    assert text_of(chunks) == text_of([whole]) == ("7*12= 84" if here else "7*12=")
    assert chunks[-1].finish_reasons == ((0, "stop"),)
    assert (whole.tokens, text_of([spelled])) == (5, "7*12=")


async def test_the_request_says_what_was_asked(upstream):
    """The client's request, for the server's model, with the request's id and key."""
    upstream.streams(*WHOLE)
    async with connected(upstream, system_prompt="be brief", model="served") as engine:
        await ask(engine, request(max_tokens=9, stop=["x"], tools=[{"type": "function"}]))
    assert upstream.paths == ["/v1/chat/completions"]
    assert upstream.bodies == [
        {
            "model": "served",
            "messages": [{"role": "system", "content": "be brief"}, *HELLO],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 9,
            "stop": ["x"],
            "tools": [{"type": "function"}],
        }
    ]
    assert upstream.headers[0]["x-request-id"] == "r1"
    assert upstream.headers[0]["content-type"] == "application/json"


async def test_a_long_request_is_sent(upstream):
    """A conversation of megabytes goes as any other."""
    upstream.answers(ANSWER)
    async with connected(upstream) as engine:
        await engine.complete(request(messages=[{"role": "user", "content": "x" * 3_000_000}]))
    assert len(upstream.bodies[0]["messages"][0]["content"]) == 3_000_000


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "streamed"])
async def test_connections_are_used_again(upstream, whole):
    """An answer that was read to its end leaves its connection for the next request."""
    async with connected(upstream) as engine:
        for _ in range(3):
            if whole:
                upstream.answers(ANSWER)
                await engine.complete(request())
            else:
                upstream.streams(*WHOLE)
                await ask(engine)
    assert len(set(upstream.clients)) == 1


async def test_many_requests_are_in_flight_at_once(upstream):
    """The caller limits them, not the connections."""
    upstream.goes_silent(CHUNKED)
    async with connected(upstream) as engine:
        tasks = [asyncio.create_task(ask(engine)) for _ in range(150)]
        async with asyncio.timeout(60):
            while len(upstream.bodies) < 150:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (await engine.load("remote")).cancelled == 150


async def test_a_bare_text_goes_to_completions(upstream):
    """A completion's chunks have that API's own shape, and its tokens are counted by theirs."""
    logprobs = {"tokens": [" b", "c"], "token_logprobs": [-0.5, -1], "top_logprobs": None}
    upstream.streams(
        {"choices": [{"index": 0, "text": " bc", "finish_reason": None, "logprobs": logprobs}]},
        {"choices": [{"index": 0, "text": "", "finish_reason": "stop"}], "usage": USAGE},
        DONE,
    )
    async with connected(upstream) as engine:
        chunks = await ask(engine, request(operation="completion", logprobs=1))
    assert upstream.paths == ["/v1/completions"]
    assert (upstream.bodies[0]["prompt"], upstream.bodies[0]["logprobs"]) == ("hello", 1)
    assert (text_of(chunks), chunks[0].tokens) == (" bc", 2)
    first = fields_of(chunks)[0]
    assert (first["object"], first["choices"][0]["logprobs"]) == ("text_completion", logprobs)
    assert chunks[-1].finish_reasons == ((0, "stop"),)


async def test_a_whole_completion_is_given_whole(upstream):
    """It has a text."""
    choice = {"index": 0, "text": " b", "logprobs": None, "finish_reason": "length"}
    upstream.answers({"object": "text_completion", "choices": [choice], "usage": USAGE})
    async with connected(upstream) as engine:
        chunk = await engine.complete(request(operation="completion"))
    fields = json.loads(chunk.data)
    assert (fields["object"], fields["choices"]) == ("text_completion", [choice])
    assert chunk.finish_reasons == ((0, "length"),)


async def test_an_answer_without_done_or_usage_is_whole(upstream):
    """A finish reason ends an answer; without a usage the pieces are counted."""
    upstream.streams(delta("a"), delta("b", finish="eos"))
    async with connected(upstream) as engine:
        chunks = await ask(engine)
    assert chunks[-1].finish_reasons == ((0, "eos"),)
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (0, 2)


async def test_leaving_early_closes_the_upstream_connection(upstream):
    """The server sees that nobody reads any more, and the request counts as cancelled."""
    upstream.streams_for_ever(delta("a"))
    async with connected(upstream) as engine:
        stream = engine.stream(request())
        await anext(stream)
        assert not upstream.left.is_set()
        await stream.aclose()
        await asyncio.wait_for(upstream.left.wait(), 30)
        load = await engine.load("remote")
    assert (load.running, load.cancelled, load.generated_tokens) == (0, 1, 1)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "streamed"])
async def test_cancelling_the_task_closes_the_upstream_connection(upstream, whole):
    """A caller that is cancelled while it waits frees the server too."""
    upstream.streams_for_ever(delta("a"))
    async with connected(upstream) as engine:
        task = asyncio.create_task(engine.complete(request()) if whole else ask(engine))
        await upstream.asked.wait()
        await asyncio.sleep(0.02)  # so that pieces are under way
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(upstream.left.wait(), 30)
        assert (await engine.load("remote")).cancelled == 1


async def test_a_caller_that_is_cancelled_before_the_headers_frees_the_server(upstream):
    """A server that thinks before it says anything."""
    upstream.goes_silent(b"")
    async with connected(upstream) as engine:
        task = asyncio.create_task(engine.complete(request()))
        await upstream.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(upstream.left.wait(), 30)


async def test_health_is_the_servers(upstream):
    """A healthy server passes, an unhealthy one is `Unavailable` with its status."""
    async with connected(upstream) as engine:
        await engine.health("remote")
        upstream.healthy = False
        with pytest.raises(Unavailable) as caught:
            await engine.health("remote")
    assert "503" in caught.value.reason


async def test_the_server_is_told_of_the_trace(upstream):
    """The headers of the request's trace go on to the server."""
    upstream.streams(*WHOLE)
    async with connected(upstream) as engine:
        await ask(engine, request(trace=(("traceparent", "00-1-2-01"),)))
    assert upstream.headers[0]["traceparent"] == "00-1-2-01"


async def test_the_card_names_the_served_model():
    """The model card has the name that the server knows."""
    [card] = await create_engine([spec(base_url="http://h", model="served")], CONTEXT).cards()
    assert (card.name, card.engine, card.model) == ("remote", "openai", "served")


async def test_an_engine_works_without_a_start(upstream):
    """The gateway's own loop opens the connections with the first request."""
    upstream.answers(ANSWER)
    async with upstream.listening() as port:
        engine = create_engine([spec(base_url=f"http://127.0.0.1:{port}/v1")], CONTEXT)
        assert text_of([await engine.complete(request())]) == "Hello"
        await engine.stop()


@pytest.mark.parametrize(("keeps", "connections"), [(True, 1), (False, 3)], ids=["kept", "new"])
async def test_a_connection_serves_further_requests_or_does_not(upstream, keeps, connections):
    """A new one each time reaches each of several servers behind one address."""
    upstream.answers(ANSWER)
    async with connected(upstream, keep_connections=keeps) as engine:
        for _ in range(3):
            await engine.complete(request())
    assert len(set(upstream.clients)) == connections


@pytest.mark.parametrize("size", [1, 7], ids=["bytes", "pieces"])
async def test_an_answer_is_the_same_however_its_stream_is_cut(upstream, size):
    """Comments, three line ends, other Unicode line breaks and split characters."""
    stream = (
        b": a comment\r\nevent: message\r\n"
        + event(delta("zwei\u2028Zeilen \u00e9")).replace(b"\n", b"\r\n")
        + b"id: 3\r\r"
        + event(delta("\u0085", finish="stop")).replace(b"\n", b"\r")
        + DONE
    )
    upstream.streams(*(stream[start : start + size] for start in range(0, len(stream), size)))
    async with connected(upstream) as engine:
        chunks = await ask(engine)
    assert text_of(chunks) == "zwei\u2028Zeilen \u00e9\u0085"
    assert chunks[-1].finish_reasons == ((0, "stop"),)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "streamed"])
async def test_an_answer_of_50_megabytes_arrives(upstream, whole):
    """In one message."""
    text = "x" * 50_000_000
    if whole:
        message = {"role": "assistant", "content": text}
        upstream.answers({"choices": [{"index": 0, "message": message}]})
    else:
        upstream.sends(response(event(delta(text, finish="stop")) + DONE))
    async with connected(upstream) as engine:
        chunks = [await engine.complete(request())] if whole else await ask(engine)
        chunk = next(each for each in chunks if each.data)  # after signs of life
    assert len(chunk.data) > len(text)
    assert chunk.finish_reasons == ((0, "stop"),)


@pytest.mark.parametrize(
    ("end", "deadline_seconds"),
    [(DONE, None), (b"", 0.3)],
    ids=["after [DONE]", "after the finish reason"],
)
async def test_a_stream_that_is_not_closed_ends_when_all_is_said(upstream, end, deadline_seconds):
    """The client does not wait for a server that keeps its connection open, and the deadline takes
    nothing away that was said."""
    body = event(delta("a", finish="stop")) + end
    upstream.goes_silent(CHUNKED, b"%x\r\n%b\r\n" % (len(body), body))
    async with connected(upstream) as engine, asyncio.timeout(60):
        chunks = await ask(engine, request(deadline_seconds=deadline_seconds))
        await upstream.left.wait()
    assert (text_of(chunks), chunks[-1].usage.completion_tokens) == ("a", 1)


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "kept"])
async def test_a_stream_without_its_last_byte_is_whole(upstream, closes):
    """A server that forgets the end of its chunks has still said [DONE]."""
    body = event(delta("a", finish="stop")) + DONE
    raw = CHUNKED + b"%x\r\n%b\r\n" % (len(body), body)
    if closes:
        upstream.sends(raw, closes=True)
    else:
        upstream.goes_silent(raw)
    async with connected(upstream) as engine:
        assert text_of(await ask(engine)) == "a"
