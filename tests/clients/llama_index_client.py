"""LlamaIndex's client of servers that are like OpenAI's."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import openai
import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context
from llama_index.llms.openai_like import OpenAILike

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

TOOLS = [FunctionTool.from_defaults(of) for of in FUNCTIONS]


@pytest.fixture
def made(url: str) -> Callable[..., OpenAILike]:
    def make(**more: Any) -> OpenAILike:
        settings = {
            "model": "auto",
            "api_base": url,
            "api_key": KEY,
            "is_chat_model": True,
            "is_function_calling_model": True,
            "should_use_structured_outputs": True,
            "max_retries": 0,
        }
        return OpenAILike(**settings | more)

    return make


@pytest.fixture
def model(made: Callable[..., OpenAILike]) -> OpenAILike:
    return made()


def said(text: str) -> list[ChatMessage]:
    return [ChatMessage(role="user", content=text)]


def picture() -> list[ChatMessage]:
    image = ImageBlock(image=base64.b64decode(PNG), image_mimetype="image/png")
    return [ChatMessage(role="user", blocks=[TextBlock(text="What is it?"), image])]


def called(model: OpenAILike, answer: Any) -> list[str]:
    """The functions that were called, each with a city."""
    calls = model.get_tool_calls_from_response(answer)
    assert all("city" in call.tool_kwargs for call in calls)
    return [call.tool_name for call in calls]


def test_plain(model: OpenAILike) -> None:
    """A question to `auto` is answered by the specialist of its domain."""
    answer = model.chat(said(FOR_SQL))

    assert answer.message.content
    assert answer.raw.model == "sql"


def test_stream(model: OpenAILike) -> None:
    """The pieces of a stream are the whole answer's text."""
    pieces = [piece.delta for piece in model.stream_chat(said(HELLO))]

    assert len(pieces) > 2
    assert "".join(pieces) == model.chat(said(HELLO)).message.content


async def test_asynchronous_stream(model: OpenAILike) -> None:
    """It streams asynchronously too."""
    stream = await model.astream_chat(said(HELLO))

    assert "".join([piece.delta async for piece in stream])


def test_usage(model: OpenAILike) -> None:
    """A whole answer counts its tokens."""
    counts = model.chat(said(HELLO)).additional_kwargs

    assert counts["total_tokens"] == counts["prompt_tokens"] + counts["completion_tokens"] > 0


def test_structured(model: OpenAILike) -> None:
    """`structured_predict` returns a pydantic model, by JSON schema."""
    assert isinstance(model.structured_predict(Place, PromptTemplate(HELLO)), Place)


def test_structured_by_a_tool(made: Callable[..., OpenAILike]) -> None:
    """It does by a function that must be called as well."""
    model = made(should_use_structured_outputs=False)

    assert isinstance(model.structured_predict(Place, PromptTemplate(HELLO)), Place)


def test_one_tool(model: OpenAILike) -> None:
    """A function is called with arguments of its schema."""
    answer = model.chat_with_tools(TOOLS, user_msg=WEATHER)

    assert called(model, answer) == ["get_weather"]


def test_one_tool_in_a_stream(model: OpenAILike) -> None:
    """The last piece has the whole call."""
    *_, last = model.stream_chat_with_tools(TOOLS, user_msg=WEATHER)

    assert called(model, last) == ["get_weather"]


def test_a_named_tool(model: OpenAILike) -> None:
    """`tool_choice` makes the model call what the text does not ask for."""
    answer = model.chat_with_tools(TOOLS, user_msg=HELLO, tool_choice="get_time")

    assert called(model, answer) == ["get_time"]


def test_parallel_tools(model: OpenAILike) -> None:
    """Two functions are called at once."""
    answer = model.chat_with_tools(TOOLS, user_msg=WEATHER_AND_TIME, allow_parallel_tool_calls=True)

    assert sorted(called(model, answer)) == ["get_time", "get_weather"]


async def test_tool_loop_of_three_turns(model: OpenAILike) -> None:
    """An agent calls, answers, and keeps the conversation."""
    agent = FunctionAgent(tools=TOOLS, llm=model)
    context, results = Context(agent), []
    for text in (f"{FOR_SQL}: {WEATHER}", f"and {WEATHER}", "thank you"):
        results.append(await agent.run(text, ctx=context))

    assert [[call.tool_name for call in result.tool_calls] for result in results[:2]] == [
        ["get_weather"],
        ["get_weather"],
    ]
    assert results[2].response.content


def test_image(model: OpenAILike) -> None:
    """A picture goes to a model that sees."""
    assert model.chat(picture()).raw.model == "generalist"


def test_image_for_a_model_that_sees_none(made: Callable[..., OpenAILike]) -> None:
    """A named model that sees none is a BadRequestError."""
    with pytest.raises(openai.BadRequestError):
        made(model="sql").chat(picture())


def test_text_completion(made: Callable[..., OpenAILike]) -> None:
    """Without `is_chat_model`, its default, it asks for a text's completion."""
    assert made(is_chat_model=False).complete(HELLO).text


def test_unknown_model(made: Callable[..., OpenAILike]) -> None:
    """It is a NotFoundError."""
    with pytest.raises(openai.NotFoundError):
        made(model="nope").chat(said(HELLO))


def test_bad_key(made: Callable[..., OpenAILike]) -> None:
    """It is an AuthenticationError."""
    with pytest.raises(openai.AuthenticationError):
        made(api_key="another").chat(said(HELLO))


def test_bad_parameter(model: OpenAILike) -> None:
    """It is a BadRequestError."""
    with pytest.raises(openai.BadRequestError):
        model.chat(said(HELLO), temperature=3)


async def test_cancellation(model: OpenAILike, idle: Callable[[], bool]) -> None:
    """A task that is cancelled while it streams ends at the model too."""
    begun = asyncio.Event()

    async def follow() -> None:
        async for _ in await model.astream_chat(said(SLOWLY)):
            begun.set()

    task = asyncio.create_task(follow())
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])

    assert idle()


def test_retries(made: Callable[..., OpenAILike], unique: str) -> None:
    """A full model is asked again."""
    assert made(model="busy", max_retries=2).chat(said(unique)).message.content
