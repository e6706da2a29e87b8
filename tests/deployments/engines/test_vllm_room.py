"""Limits without room beside the prompt, before a server that refuses them; needs no vLLM."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from deployments.control_tokens import ControlTokens
from deployments.engines._vllm_options import VllmOptions
from deployments.engines._vllm_requests import ServedModel, read_request
from deployments.engines._vllm_room import FittedAnswer
from deployments.protocol import InvalidPrompt, ModelRequest, PromptTooLong
from tests.model_requests import chat


@dataclass
class FakeServer:
    """Refuses limits for which there is no room, as vLLM does, and breaks off on demand."""

    context_tokens: int = 100
    prompt_tokens: int = 90
    breaks: bool = False
    limits: list[Any] = field(default_factory=list)
    counted: int = 0

    async def events(self, request: ModelRequest, body: bytes) -> AsyncGenerator[bytes]:
        limit = json.loads(body).get("max_tokens", 0)
        self.limits.append(limit)
        if self.prompt_tokens + limit > self.context_tokens and not self.breaks:
            raise InvalidPrompt("max_tokens", "too many")
        yield b"said"
        if self.breaks:
            raise InvalidPrompt("messages", "broken")

    async def count(self, request: ModelRequest, body: bytes) -> int:
        assert "max_tokens" not in json.loads(body)
        self.counted += 1
        if self.prompt_tokens > self.context_tokens:
            raise PromptTooLong("messages", "too long")
        return self.prompt_tokens


def fitted(server: FakeServer, *, clamps: bool = True, **body: Any) -> FittedAnswer:
    request = replace(chat("hello", "m", **body), clamp_max_tokens=clamps)
    model = ServedModel(VllmOptions(default_max_tokens=50), "m")
    return FittedAnswer(server, request, read_request(request, model, ControlTokens(())))


async def said(answer: FittedAnswer) -> list[bytes]:
    return [event async for event in answer.events()]


async def test_a_limit_with_room_costs_nothing() -> None:
    server = FakeServer()
    answer = fitted(server, max_tokens=10)

    assert await said(answer) == [b"said"]
    assert (server.limits, server.counted, answer.not_applied) == ([10], 0, ())


@pytest.mark.parametrize(
    ("body", "told"),
    [({"max_tokens": 11}, ("max_tokens",)), ({}, ())],
    ids=["a client's", "the operator's"],
)
async def test_a_limit_without_room_becomes_the_room(body: Any, told: tuple[str, ...]) -> None:
    server = FakeServer()
    answer = fitted(server, **body)

    assert await said(answer) == [b"said"]
    assert (server.limits[-1], answer.not_applied) == (10, told)


@pytest.mark.parametrize(
    ("server", "clamps", "refusal"),
    [
        pytest.param(FakeServer(), False, InvalidPrompt, id="the client chose the model"),
        pytest.param(FakeServer(prompt_tokens=100), True, InvalidPrompt, id="no room at all"),
        pytest.param(FakeServer(prompt_tokens=101), True, PromptTooLong, id="less than none"),
        pytest.param(FakeServer(breaks=True), True, InvalidPrompt, id="something was said"),
    ],
)
async def test_what_is_refused_for_another_reason_stays_so(
    server: FakeServer, clamps: bool, refusal: type[Exception]
) -> None:
    answer = fitted(server, clamps=clamps, max_tokens=50)
    with pytest.raises(InvalidPrompt) as refused:
        await said(answer)

    assert (type(refused.value), answer.not_applied, len(server.limits)) == (refusal, (), 1)
