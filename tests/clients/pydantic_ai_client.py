"""Pydantic AI, over chat completions and over Responses."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from openai import AsyncOpenAI
from pydantic_ai import Agent, BinaryContent, NativeOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.material import (
    FOR_SQL,
    FUNCTIONS,
    HELLO,
    KEY,
    PNG,
    SLOWLY,
    WEATHER,
    WEATHER_AND_TIME,
    Place,
)

PICTURE = ["What is it?", BinaryContent(base64.b64decode(PNG), media_type="image/png")]


def called(messages: list[Any]) -> list[str]:
    """The functions that were called."""
    parts = [part for message in messages for part in message.parts]
    return [part.tool_name for part in parts if part.part_kind == "tool-call"]


@pytest.fixture(params=[OpenAIChatModel, OpenAIResponsesModel], ids=["chat", "responses"])
def made(url: str, request: pytest.FixtureRequest) -> Callable[..., Agent[Any, Any]]:
    def make(model: str = "auto", key: str = KEY, retries: int = 0, **more: Any) -> Agent[Any, Any]:
        client = AsyncOpenAI(base_url=url, api_key=key, max_retries=retries)
        provider = OpenAIProvider(openai_client=client)
        return Agent(request.param(model, provider=provider), instructions="Be brief.", **more)

    return make


@pytest.fixture
def agent(made: Callable[..., Agent[Any, Any]]) -> Agent[Any, Any]:
    return made()


async def test_plain(agent: Agent[Any, Any]) -> None:
    """A question to `auto` is answered by the specialist of its domain."""
    result = await agent.run(FOR_SQL)

    assert result.output.startswith("sql ")


async def test_stream(agent: Agent[Any, Any]) -> None:
    """The pieces of a stream are the whole answer's text."""
    async with agent.run_stream(HELLO) as stream:
        pieces = [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]

    assert len(pieces) > 2
    assert "".join(pieces) == (await agent.run(HELLO)).output


async def test_usage(agent: Agent[Any, Any]) -> None:
    """A run counts its tokens."""
    usage = (await agent.run(HELLO)).usage

    assert usage.input_tokens > 0
    assert usage.output_tokens > 0


async def test_usage_in_a_stream(agent: Agent[Any, Any]) -> None:
    """A streamed run counts its tokens."""
    async with agent.run_stream(HELLO) as stream:
        await stream.get_output()

    assert stream.usage.output_tokens > 0


async def test_structured(made: Callable[..., Agent[Any, Any]]) -> None:
    """`NativeOutput` returns a pydantic model, by JSON schema."""
    result = await made(output_type=NativeOutput(Place)).run(HELLO)

    assert isinstance(result.output, Place)


async def test_structured_by_a_tool(made: Callable[..., Agent[Any, Any]]) -> None:
    """So does its default, a function that must be called."""
    result = await made(output_type=Place).run(HELLO)

    assert isinstance(result.output, Place)


async def test_one_tool(made: Callable[..., Agent[Any, Any]]) -> None:
    """A function is called, and the answer follows its result."""
    result = await made(tools=FUNCTIONS).run(WEATHER)

    assert called(result.all_messages()) == ["get_weather"]
    assert result.output


async def test_one_tool_in_a_stream(made: Callable[..., Agent[Any, Any]]) -> None:
    """So it does in a stream."""
    async with made(tools=FUNCTIONS).run_stream(WEATHER) as stream:
        assert await stream.get_output()

    assert called(stream.all_messages()) == ["get_weather"]


async def test_parallel_tools(made: Callable[..., Agent[Any, Any]]) -> None:
    """Two functions are called in one turn."""
    result = await made(tools=FUNCTIONS).run(WEATHER_AND_TIME)

    assert sorted(called(result.all_messages())) == ["get_time", "get_weather"]
    assert result.usage.requests == 2


async def test_tool_loop_of_three_turns(made: Callable[..., Agent[Any, Any]]) -> None:
    """The messages of earlier runs go back as the client has them, and one model answers all."""
    agent, history, models = made(tools=FUNCTIONS), None, set()
    for text in (f"{FOR_SQL}: {WEATHER}", f"and {WEATHER}", "thank you"):
        result = await agent.run(text, message_history=history)
        history = result.all_messages()
        models |= {of.model_name for of in result.new_messages() if of.kind == "response"}

    assert called(history) == ["get_weather"] * 2
    assert models == {"sql"}


async def test_image(agent: Agent[Any, Any]) -> None:
    """A picture goes to a model that sees."""
    result = await agent.run(PICTURE)

    assert result.output.startswith("generalist ")


async def test_image_for_a_model_that_sees_none(made: Callable[..., Agent[Any, Any]]) -> None:
    """A named model that sees none is the client's error with status 400."""
    with pytest.raises(ModelHTTPError) as caught:
        await made("sql").run(PICTURE)

    assert caught.value.status_code == 400


async def status_of(agent: Agent[Any, Any], text: str = HELLO) -> int:
    """The status of the client's own error."""
    with pytest.raises(ModelHTTPError) as caught:
        await agent.run(text)
    return caught.value.status_code


async def test_unknown_model(made: Callable[..., Agent[Any, Any]]) -> None:
    """It is the client's error with status 404."""
    assert await status_of(made("nope")) == 404


async def test_bad_key(made: Callable[..., Agent[Any, Any]]) -> None:
    """It is the client's error with status 401."""
    assert await status_of(made(key="another")) == 401


async def test_bad_parameter(made: Callable[..., Agent[Any, Any]]) -> None:
    """It is the client's error with status 400."""
    assert await status_of(made(model_settings={"temperature": 3})) == 400


async def test_no_retries_left(made: Callable[..., Agent[Any, Any]], unique: str) -> None:
    """It is the client's error with status 429."""
    assert await status_of(made("busy"), unique) == 429


async def test_cancellation(agent: Agent[Any, Any], idle: Callable[[], bool]) -> None:
    """A stream that is left ends at the model too."""
    async with agent.run_stream(SLOWLY) as stream:
        async for _ in stream.stream_text(debounce_by=None):
            break
        await stream.cancel()

    assert idle()


async def test_retries(made: Callable[..., Agent[Any, Any]], unique: str) -> None:
    """A full model is asked again after the time that it names."""
    assert (await made("busy", retries=1).run(unique)).output
