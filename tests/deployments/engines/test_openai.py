"""The openai engine against a real server on the loopback device."""

import asyncio
from dataclasses import replace

import pytest

from deployments.engine import create_engine
from deployments.protocol import Prompt, Sampling, Unavailable
from tests.deployments.upstream import (
    CONTEXT,
    USAGE,
    WHOLE,
    Upstream,
    ask,
    connected,
    delta,
    event,
    prompt,
    spec,
)


@pytest.fixture
def upstream():
    return Upstream()


async def test_a_chat_is_streamed(upstream):
    """Pieces come as they are sent; the last chunk alone has reason and upstream's own usage."""
    upstream.streams(*WHOLE)
    async with connected(upstream) as engine:
        chunks = await ask(engine)
        load = await engine.load()
    assert [chunk.text for chunk in chunks] == ["Hel", "lo", ""]
    assert [chunk.finish_reason for chunk in chunks] == [None, None, "length"]
    usage = chunks[-1].usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == (7, 5, 4)
    assert usage.engine_seconds > 0
    assert (load.completed, load.generated_tokens, load.recent_request_ids) == (1, 5, ("r1",))


async def test_the_request_says_what_was_asked(upstream):
    """Sampling is passed on under OpenAI's names; what was not asked is not sent."""
    upstream.streams(*WHOLE)
    async with connected(upstream, system_prompt="be brief", model="served") as engine:
        await ask(
            engine, prompt(max_tokens=9, temperature=0.5, seed=3, stop=("x",), top_logprobs=2)
        )
    assert upstream.paths == ["/v1/chat/completions"]
    assert upstream.bodies == [
        {
            "model": "served",
            "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "hello"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 9,
            "temperature": 0.5,
            "top_p": 1.0,
            "seed": 3,
            "stop": ["x"],
            "logprobs": True,
            "top_logprobs": 2,
        }
    ]
    assert upstream.headers[0]["x-request-id"] == "r1"


async def test_connections_are_used_again(upstream):
    """An answer that was read to its end leaves its connection for the next request."""
    async with connected(upstream) as engine:
        for _ in range(2):
            upstream.streams(*WHOLE)
            await ask(engine)
    assert len(set(upstream.clients)) == 1


async def test_a_bare_text_goes_to_completions(upstream):
    """A prompt of text is continued, its log-probabilities are read from that API's own shape."""
    logprobs = {"tokens": [" b"], "token_logprobs": [-0.5], "top_logprobs": [{" b": -0.5}]}
    upstream.streams(
        {"choices": [{"index": 0, "text": " b", "finish_reason": None, "logprobs": logprobs}]},
        {"choices": [{"index": 0, "text": "", "finish_reason": "stop"}], "usage": USAGE},
        b"data: [DONE]\n\n",
    )
    async with connected(upstream) as engine:
        chunks = await ask(engine, Prompt("r1", text="a", sampling=Sampling(top_logprobs=1)))
    assert upstream.paths == ["/v1/completions"]
    assert (upstream.bodies[0]["prompt"], upstream.bodies[0]["logprobs"]) == ("a", 1)
    assert chunks[0].text == " b"
    assert chunks[0].logprobs[0].top == ((" b", -0.5),)
    assert chunks[-1].finish_reason == "stop"


async def test_chat_logprobs_are_read(upstream):
    """Each token keeps its log-probability and the alternatives; the chunk counts its tokens."""
    first = {"token": "a", "logprob": -0.1, "top_logprobs": [{"token": "b", "logprob": -3.0}]}
    second = {"token": "c", "logprob": -0.2, "top_logprobs": []}
    upstream.streams(delta("ac", logprobs={"content": [first, second]}), delta(finish="stop"))
    async with connected(upstream) as engine:
        chunk = (await ask(engine))[0]
    assert chunk.tokens == 2
    assert (chunk.logprobs[0].token, chunk.logprobs[0].top) == ("a", (("b", -3.0),))


async def test_extra_body_adds_replaces_and_removes(upstream):
    """`extra_body` has the last word; null takes a key out."""
    upstream.streams(*WHOLE)
    extra = {"top_k": 5, "temperature": 0.1, "stream_options": None}
    async with connected(upstream, extra_body=extra) as engine:
        await ask(engine)
    assert upstream.bodies[0]["top_k"] == 5
    assert upstream.bodies[0]["temperature"] == 0.1
    assert "stream_options" not in upstream.bodies[0]


async def test_an_answer_without_done_or_usage_is_whole(upstream):
    """A finish reason ends an answer; without a usage the pieces are counted."""
    upstream.streams(delta("a"), delta("b", finish="eos"))
    async with connected(upstream) as engine:
        chunks = await ask(engine)
    assert (chunks[-1].finish_reason, chunks[-1].usage.completion_tokens) == ("stop", 2)


async def test_leaving_early_closes_the_upstream_connection(upstream):
    """The server sees that nobody reads any more, and the request counts as cancelled."""
    upstream.streams_for_ever(delta("a"))
    async with connected(upstream) as engine:
        stream = engine.stream(prompt())
        await anext(stream)
        assert not upstream.left.is_set()
        await stream.aclose()
        await asyncio.wait_for(upstream.left.wait(), 5)
        load = await engine.load()
    assert (load.running, load.cancelled) == (0, 1)


async def test_cancelling_the_task_closes_the_upstream_connection(upstream):
    """A caller that is cancelled while it waits frees the server too."""
    upstream.streams_for_ever(delta("a"))
    async with connected(upstream) as engine:
        task = asyncio.create_task(ask(engine))
        await upstream.asked.wait()
        await asyncio.sleep(0.02)  # so that pieces are under way
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(upstream.left.wait(), 5)
        assert (await engine.load()).cancelled == 1


async def test_health_is_the_servers(upstream):
    """A healthy server passes, an unhealthy one is `Unavailable` with its status."""
    async with connected(upstream) as engine:
        await engine.health()
        upstream.healthy = False
        with pytest.raises(Unavailable, match="503"):
            await engine.health()


async def test_the_server_is_told_of_the_trace(upstream):
    """The headers of the request's trace go on to the server."""
    upstream.streams(*WHOLE)
    async with connected(upstream) as engine:
        await ask(engine, replace(prompt(), trace=(("traceparent", "00-1-2-01"),)))
    assert upstream.headers[0]["traceparent"] == "00-1-2-01"


async def test_the_card_names_the_served_model():
    """The model card has the name that the server knows."""
    card = await create_engine(spec(base_url="http://h", model="served"), CONTEXT).model_card()
    assert (card.name, card.engine, card.model) == ("remote", "openai", "served")


@pytest.mark.parametrize("size", [1, 7], ids=["bytes", "pieces"])
async def test_an_answer_is_the_same_however_its_stream_is_cut(upstream, size):
    """Comments, three line ends, other Unicode line breaks and split characters."""
    stream = (
        b": a comment\r\nevent: message\r\n"
        + event(delta("zwei\u2028Zeilen \u00e9")).replace(b"\n", b"\r\n")
        + b"id: 3\r\r"
        + event(delta("\u0085", finish="stop")).replace(b"\n", b"\r")
        + b"data: [DONE]\n\n"
    )
    upstream.streams(*(stream[start : start + size] for start in range(0, len(stream), size)))
    async with connected(upstream) as engine:
        chunks = await ask(engine)
    assert "".join(chunk.text for chunk in chunks) == "zwei\u2028Zeilen \u00e9\u0085"
    assert chunks[-1].finish_reason == "stop"
