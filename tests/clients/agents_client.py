"""OpenAI's Agents SDK as it is by default: over Responses."""

from collections.abc import Callable
from typing import Any

import openai
import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIProvider,
    RunConfig,
    Runner,
    RunResult,
    RunResultStreaming,
    function_tool,
)
from openai.types.shared import Reasoning

from tests.clients.material import (
    FOR_SQL,
    FUNCTIONS,
    HELLO,
    KEY,
    PICTURE,
    SLOWLY,
    SQL,
    WEATHER,
    WEATHER_AND_TIME,
    Place,
)

TOOLS: Any = [function_tool(of) for of in FUNCTIONS]


@pytest.fixture
def config(url: str) -> RunConfig:
    return run_config(url)


def run_config(url: str, model: str = "auto", key: str = KEY) -> RunConfig:
    client = openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0)
    provider = OpenAIProvider(openai_client=client)
    return RunConfig(model=model, model_provider=provider, tracing_disabled=True)


def agent(**more: Any) -> Agent[Any]:
    return Agent(name="helper", instructions="Be brief.", **more)


def called(result: RunResult | RunResultStreaming) -> list[str]:
    """The functions that a run called."""
    return [item.raw_item.name for item in result.new_items if item.type == "tool_call_item"]


def picture() -> Any:
    parts = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": PICTURE, "detail": "auto"},
    ]
    return [{"role": "user", "content": parts}]


async def test_plain(config: RunConfig) -> None:
    """A run's final output is the answer."""
    result = await Runner.run(agent(), FOR_SQL, run_config=config)

    assert result.final_output.startswith("sql ")


async def test_stream(config: RunConfig) -> None:
    """The pieces of a streamed run are its final output."""
    result = Runner.run_streamed(agent(), HELLO, run_config=config)

    events = [event async for event in result.stream_events()]
    raw = [event.data for event in events if event.type == "raw_response_event"]
    pieces = [data.delta for data in raw if data.type == "response.output_text.delta"]

    assert len(pieces) > 2
    assert "".join(pieces) == result.final_output


async def test_usage(config: RunConfig) -> None:
    """A run counts its tokens."""
    result = await Runner.run(agent(), HELLO, run_config=config)

    assert result.context_wrapper.usage.input_tokens > 0
    assert result.context_wrapper.usage.output_tokens > 0


async def test_usage_in_a_stream(config: RunConfig) -> None:
    """A streamed run counts its tokens."""
    result = Runner.run_streamed(agent(), HELLO, run_config=config)
    _ = [event async for event in result.stream_events()]

    assert result.context_wrapper.usage.output_tokens > 0


async def test_structured(config: RunConfig) -> None:
    """`output_type` returns a pydantic model."""
    result = await Runner.run(agent(output_type=Place), HELLO, run_config=config)

    assert isinstance(result.final_output, Place)


async def test_structured_in_a_stream(config: RunConfig) -> None:
    """So it does in a stream."""
    result = Runner.run_streamed(agent(output_type=Place), HELLO, run_config=config)
    _ = [event async for event in result.stream_events()]

    assert isinstance(result.final_output, Place)


async def test_one_tool(config: RunConfig) -> None:
    """A function is called, and the answer follows its result."""
    result = await Runner.run(agent(tools=TOOLS), WEATHER, run_config=config)

    assert called(result) == ["get_weather"]
    assert result.final_output


async def test_one_tool_in_a_stream(config: RunConfig) -> None:
    """So it does in a stream."""
    result = Runner.run_streamed(agent(tools=TOOLS), WEATHER, run_config=config)
    _ = [event async for event in result.stream_events()]

    assert called(result) == ["get_weather"]
    assert result.final_output


async def test_a_named_tool(config: RunConfig) -> None:
    """`tool_choice` makes the model call what the text does not ask for."""
    settings = ModelSettings(tool_choice="get_time")

    result = await Runner.run(agent(tools=TOOLS, model_settings=settings), HELLO, run_config=config)

    assert called(result) == ["get_time"]


async def test_parallel_tools(config: RunConfig) -> None:
    """Two functions are called in one turn."""
    result = await Runner.run(agent(tools=TOOLS), WEATHER_AND_TIME, run_config=config)

    assert sorted(called(result)) == ["get_time", "get_weather"]
    assert len(result.raw_responses) == 2


async def test_tool_loop_of_three_turns(config: RunConfig) -> None:
    """The items of earlier runs go back as the SDK has them."""
    helper, items, names = agent(tools=TOOLS), [], []
    for text in (f"{FOR_SQL}: {WEATHER}", f"and {WEATHER}", "thank you"):
        items.append({"role": "user", "content": text})
        result = await Runner.run(helper, items, run_config=config)
        items = result.to_input_list()
        names += called(result)

    assert names == ["get_weather"] * 2
    assert result.final_output


async def test_handoff(config: RunConfig) -> None:
    """A run passes to another agent, by the function that stands for it."""
    other = Agent(name="other", instructions="Be long.")

    result = await Runner.run(agent(handoffs=[other]), "call transfer_to_other", run_config=config)

    assert result.last_agent is other


async def test_image(config: RunConfig) -> None:
    """A picture goes to a model that sees."""
    result = await Runner.run(agent(), picture(), run_config=config)

    assert result.final_output.startswith("generalist ")


async def test_image_for_a_model_that_sees_none(url: str) -> None:
    """A named model that sees none is the client's BadRequestError."""
    with pytest.raises(openai.BadRequestError):
        await Runner.run(agent(), picture(), run_config=run_config(url, "sql"))


async def test_hints(config: RunConfig) -> None:
    """Settings that are hints are no reason to refuse."""
    settings = ModelSettings(
        reasoning=Reasoning(effort="low", summary="auto"),
        verbosity="low",
        store=False,
        metadata={"team": "a"},
        parallel_tool_calls=True,
        response_include=["reasoning.encrypted_content"],
    )

    result = await Runner.run(agent(model_settings=settings), HELLO, run_config=config)

    assert result.final_output


async def test_unknown_model(url: str) -> None:
    """It is the client's NotFoundError."""
    with pytest.raises(openai.NotFoundError):
        await Runner.run(agent(), HELLO, run_config=run_config(url, "nope"))


async def test_bad_key(url: str) -> None:
    """It is the client's AuthenticationError."""
    with pytest.raises(openai.AuthenticationError):
        await Runner.run(agent(), HELLO, run_config=run_config(url, key="another"))


async def test_bad_parameter(config: RunConfig) -> None:
    """It is the client's BadRequestError."""
    settings = ModelSettings(temperature=3)

    with pytest.raises(openai.BadRequestError):
        await Runner.run(agent(model_settings=settings), HELLO, run_config=config)


async def test_cancellation(config: RunConfig, idle: Callable[[], bool]) -> None:
    """A run that is cancelled ends at the model too."""
    result = Runner.run_streamed(agent(), SLOWLY, run_config=config)
    async for event in result.stream_events():
        if event.type == "raw_response_event":
            result.cancel()

    assert idle()


async def test_default_stack_text(stack: str) -> None:
    """A specialist answers in its niche."""
    result = await Runner.run(Agent(name="helper"), SQL, run_config=run_config(f"{stack}/v1"))

    assert result.final_output.startswith("SELECT")


async def test_default_stack_structured(stack: str) -> None:
    """A small model's answer follows the schema."""
    config = run_config(f"{stack}/v1")

    result = await Runner.run(agent(output_type=Place), "Describe Paris.", run_config=config)

    assert isinstance(result.final_output, Place)


async def test_default_stack_tool(stack: str) -> None:
    """A small model calls the function that it has to."""
    settings = ModelSettings(tool_choice="get_time")
    helper = agent(tools=TOOLS, model_settings=settings, tool_use_behavior="stop_on_first_tool")

    result = await Runner.run(
        helper, "What time is it in Rome?", run_config=run_config(f"{stack}/v1")
    )

    assert {*called(result)} == {"get_time"}
