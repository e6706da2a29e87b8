"""What the suites of engines ask, and how they read the answers."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from deployments.engine import Engine
from deployments.protocol import Chunk, ModelRequest
from tests.model_requests import chat, completion

TOKENS = 24
NAME = "tiny"


def ask(content: str = "hello", **body: Any) -> ModelRequest:
    """A chat whose answer is the same each time, unless `body` says otherwise."""
    return chat(content, NAME, **({"max_tokens": TOKENS, "temperature": 0} | body))


def proceed(prompt: str = "hello", **body: Any) -> ModelRequest:
    """A text to be continued, likewise."""
    return completion(prompt, NAME, **({"max_tokens": TOKENS, "temperature": 0} | body))


BOTH = pytest.mark.parametrize("request_of", [ask, proceed], ids=["chat", "completion"])


async def streamed(engine: Engine, request: ModelRequest) -> list[Chunk]:
    return [chunk async for chunk in engine.stream(replace(request, stream=True))]


async def cancelled(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Ends tasks before their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def leave_at_random(engine: Engine, count: int, names: Sequence[str] = (NAME,)) -> None:
    """So many requests of these models, of which many leave: some while they read, and some before
    anything was said."""
    drawn = random.Random(0)

    def request() -> ModelRequest:
        return replace(ask(max_tokens=100), model=drawn.choice(names))

    async def read(pieces: int | None) -> None:
        async with aclosing(engine.stream(request())) as stream:
            async for _ in stream:
                pieces = None if pieces is None else pieces - 1
                if pieces == 0:
                    return

    async def whole(passes: int) -> None:
        task = asyncio.create_task(engine.complete(request()))
        for _ in range(passes):
            await asyncio.sleep(0)
        await cancelled([task])

    async with asyncio.timeout(count):
        for _ in range(0, count, 40):
            readers = [read(drawn.choice([None, 1, 2, 5])) for _ in range(30)]
            await asyncio.gather(*readers, *(whole(drawn.randrange(200)) for _ in range(10)))


def scored(choice: dict[str, Any]) -> list[tuple[str, float, dict[str, float]]]:
    """A choice's tokens with their log-probabilities and alternatives, in either dialect."""
    given = choice.get("logprobs")
    if not given:
        return []
    if "content" in given:
        return [
            (
                token["token"],
                token["logprob"],
                {other["token"]: other["logprob"] for other in token["top_logprobs"]},
            )
            for token in given["content"]
        ]
    offsets = given["text_offset"]
    assert offsets == sorted(offsets)
    return list(zip(given["tokens"], given["token_logprobs"], given["top_logprobs"], strict=True))
