"""LiteLLM as a client."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import litellm
import pytest

from tests.clients.material import (
    BREAKING,
    CITY,
    FOR_SQL,
    HELLO,
    KEY,
    PICTURE,
    SLOWLY,
    WEATHER,
    WEATHER_AND_TIME,
    Place,
)

TOOLS: Any = [
    {"type": "function", "function": {"name": name, "parameters": CITY}}
    for name in ("get_weather", "get_time")
]
PARTS = [
    {"type": "text", "text": "What is it?"},
    {"type": "image_url", "image_url": {"url": PICTURE}},
]


@pytest.fixture
def server(url: str) -> dict[str, Any]:
    """Where every request goes."""
    return {"api_base": url, "api_key": KEY, "max_retries": 0}


@pytest.fixture
def ask(server: dict[str, Any]) -> Callable[..., Any]:
    def asking(content: Any = HELLO, model: str = "auto", **more: Any) -> Any:
        asked = {"messages": [{"role": "user", "content": content}]} | server | more
        return litellm.completion(model=f"openai/{model}", **asked)

    return asking


def called(answer: Any) -> list[str]:
    """The functions that were called, each with a city."""
    calls = answer.choices[0].message.tool_calls or []
    assert all("city" in json.loads(call.function.arguments) for call in calls)
    return [call.function.name for call in calls]


def test_plain(ask: Callable[..., Any]) -> None:
    """A question to `auto` is answered by the specialist of its domain."""
    answer = ask(FOR_SQL)

    assert answer.choices[0].message.content.startswith("sql ")
    assert answer.choices[0].finish_reason == "stop"


def test_stream(ask: Callable[..., Any]) -> None:
    """The pieces of a stream are the whole answer's text."""
    pieces = [event.choices[0].delta.content or "" for event in ask(stream=True)]

    assert len(pieces) > 2
    assert "".join(pieces) == ask().choices[0].message.content


async def test_asynchronous(server: dict[str, Any]) -> None:
    """It asks asynchronously too."""
    messages = [{"role": "user", "content": HELLO}]

    answer = await litellm.acompletion(model="openai/auto", messages=messages, **server)

    assert answer.choices[0].message.content


def test_usage(ask: Callable[..., Any]) -> None:
    """A whole answer counts its tokens."""
    usage = ask().usage

    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0


def test_usage_in_a_stream(ask: Callable[..., Any]) -> None:
    """The last event of a stream counts what a whole answer counts."""
    *_, last = ask(stream=True, stream_options={"include_usage": True})

    assert last.usage.total_tokens == ask().usage.total_tokens


def test_structured(ask: Callable[..., Any]) -> None:
    """A pydantic model as `response_format` gives its JSON."""
    answer = ask(response_format=Place)

    assert Place.model_validate_json(answer.choices[0].message.content)


def test_json_object(ask: Callable[..., Any]) -> None:
    """`json_object` gives an object."""
    answer = ask("JSON, please", response_format={"type": "json_object"})

    assert isinstance(json.loads(answer.choices[0].message.content), dict)


def test_one_tool(ask: Callable[..., Any]) -> None:
    """A function is called with arguments of its schema."""
    assert called(ask(WEATHER, tools=TOOLS)) == ["get_weather"]


def test_one_tool_in_a_stream(ask: Callable[..., Any]) -> None:
    """LiteLLM's own builder puts the call together."""
    events = list(ask(WEATHER, tools=TOOLS, stream=True))

    assert called(litellm.stream_chunk_builder(events)) == ["get_weather"]


def test_parallel_tools(ask: Callable[..., Any]) -> None:
    """Two functions are called at once."""
    assert sorted(called(ask(WEATHER_AND_TIME, tools=TOOLS))) == ["get_time", "get_weather"]


def test_tool_loop_of_three_turns(ask: Callable[..., Any]) -> None:
    """Calls and results go back as LiteLLM has them, and one model answers every turn."""
    messages: list[Any] = [{"role": "user", "content": f"{FOR_SQL}: {WEATHER}"}]
    texts = []
    for question in (f"and {WEATHER}", "thank you"):
        message = ask(messages=messages, tools=TOOLS).choices[0].message
        [call] = message.tool_calls
        messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
        message = ask(messages=messages, tools=TOOLS).choices[0].message
        messages += [message, {"role": "user", "content": question}]
        texts.append(message.content)

    assert all(text.startswith("sql ") for text in texts)
    assert ask(messages=messages, tools=TOOLS).choices[0].message.content


def test_image(ask: Callable[..., Any]) -> None:
    """A picture goes to a model that sees."""
    assert ask(PARTS).choices[0].message.content.startswith("generalist ")


def test_image_for_a_model_that_sees_none(ask: Callable[..., Any]) -> None:
    """A named model that sees none is LiteLLM's BadRequestError."""
    with pytest.raises(litellm.BadRequestError):
        ask(PARTS, model="sql")


def test_responses(server: dict[str, Any]) -> None:
    """It speaks Responses too."""
    answer = litellm.responses(model="openai/auto", input=HELLO, **server)

    assert answer.output_text


def test_unknown_model(ask: Callable[..., Any]) -> None:
    """It is LiteLLM's NotFoundError."""
    with pytest.raises(litellm.NotFoundError):
        ask(model="nope")


def test_bad_key(ask: Callable[..., Any]) -> None:
    """It is LiteLLM's AuthenticationError."""
    with pytest.raises(litellm.AuthenticationError):
        ask(api_key="another")


def test_bad_parameter(ask: Callable[..., Any]) -> None:
    """It is LiteLLM's BadRequestError."""
    with pytest.raises(litellm.BadRequestError):
        ask(temperature=3)


def test_error_in_a_stream(ask: Callable[..., Any]) -> None:
    """A model that fails in mid-stream is LiteLLM's ServiceUnavailableError."""
    with pytest.raises(litellm.ServiceUnavailableError):
        list(ask(BREAKING, stream=True))


def test_cancellation(ask: Callable[..., Any], idle: Callable[[], bool]) -> None:
    """A stream that is left ends at the model too."""
    stream = ask(SLOWLY, stream=True)
    assert list(itertools.islice(stream, 2))

    stream.completion_stream.close()

    assert idle()


def test_retries(ask: Callable[..., Any], unique: str) -> None:
    """A full model is asked again."""
    assert ask(unique, model="busy", num_retries=1).choices[0].message.content


def test_embeddings(server: dict[str, Any]) -> None:
    """Each text has its vector, in the order of the texts."""
    answer = litellm.embedding(model="openai/vectors", input=[HELLO, FOR_SQL], **server)

    assert answer.data[0]["embedding"] != answer.data[1]["embedding"]
