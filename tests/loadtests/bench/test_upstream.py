"""The bare upstream, asked by OpenAI's own client."""

import asyncio

import httpx
import pytest
from openai import AsyncOpenAI

from loadtests.bench.upstream import STREAM_TOKENS, WHOLE_TOKENS
from loadtests.traffic.client import Server
from loadtests.traffic.probe import ready
from tests.loadtests.bench.server import upstream

MESSAGES = [{"role": "user", "content": "hello"}]


def client(port: int) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)


async def test_a_whole_answer_has_as_many_tokens_as_it_may() -> None:
    """And says so."""
    async with upstream() as port, client(port) as openai:
        answer = await openai.chat.completions.create(
            model="m", messages=MESSAGES, max_tokens=WHOLE_TOKENS
        )

    assert answer.choices[0].message.content.split() == ["word"] * WHOLE_TOKENS
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == WHOLE_TOKENS


@pytest.mark.parametrize("tokens", [1, WHOLE_TOKENS, STREAM_TOKENS], ids=["one", "short", "long"])
async def test_a_stream_has_an_event_per_token(tokens: int) -> None:
    """Written at once or one by one; the usage comes if it is asked for."""
    async with upstream() as port, client(port) as openai:
        stream = await openai.chat.completions.create(
            model="m",
            messages=MESSAGES,
            max_tokens=tokens,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]

    texts = [of.choices[0].delta.content for of in chunks if of.choices]
    assert [text for text in texts if text] == ["word"] + [" word"] * (tokens - 1)
    assert chunks[-1].usage.completion_tokens == tokens


async def test_a_client_may_leave_in_the_middle() -> None:
    """The next one is served."""
    async with upstream(pace=0.01) as port:
        async with client(port) as openai:
            stream = await openai.chat.completions.create(
                model="m", messages=MESSAGES, max_tokens=STREAM_TOKENS, stream=True
            )
            await anext(aiter(stream))
        assert await asyncio.to_thread(ready, Server(f"http://127.0.0.1:{port}"))


async def test_a_body_that_is_no_request_is_refused() -> None:
    """With OpenAI's form of an error."""
    async with upstream() as port, httpx.AsyncClient() as http:
        answer = await http.post(f"http://127.0.0.1:{port}/v1/chat/completions", content=b"hello")

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


async def test_a_connection_that_speaks_no_http_is_closed() -> None:
    """Without an answer."""
    async with upstream() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x00\x01\x02\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
