"""The official client: Responses."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from openai.types.responses import ParsedResponse, Response

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
    {"type": "function", "name": name, "parameters": CITY, "strict": True}
    for name in ("get_weather", "get_time")
]


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0) as made:
        yield made


def picture() -> Any:
    parts = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": PICTURE, "detail": "auto"},
    ]
    return [{"role": "user", "content": parts}]


def called(answer: Response | ParsedResponse[Any]) -> list[str]:
    """The functions that were called, each with a city."""
    calls = [item for item in answer.output if item.type == "function_call"]
    assert all("city" in json.loads(call.arguments) for call in calls)
    return [call.name for call in calls]


def test_plain(client: openai.OpenAI) -> None:
    """A question to `auto` is answered by the specialist of its domain."""
    answer = client.responses.create(model="auto", input=FOR_SQL, instructions="Be brief.")

    assert (answer.model, answer.status) == ("sql", "completed")
    assert answer.output_text


def test_stream(client: openai.OpenAI) -> None:
    """The pieces of a stream are the whole answer's text, and its events count up."""
    whole = client.responses.create(model="auto", input=HELLO)

    events = list(client.responses.create(model="auto", input=HELLO, stream=True))
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]

    assert len(pieces) > 2
    assert "".join(pieces) == whole.output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))


async def test_asynchronous_stream(url: str) -> None:
    """The asynchronous client's stream helper puts the answer together."""
    async with (
        openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client,
        client.responses.stream(model="auto", input=HELLO) as stream,
    ):
        answer = await stream.get_final_response()

    assert answer.output_text


def test_usage(client: openai.OpenAI) -> None:
    """A whole answer counts its tokens."""
    usage = client.responses.create(model="auto", input=HELLO).usage

    assert usage is not None
    assert usage.input_tokens > 0
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


def test_usage_in_a_stream(client: openai.OpenAI) -> None:
    """The last event of a stream counts what a whole answer counts."""
    whole = client.responses.create(model="auto", input=HELLO)

    *_, last = client.responses.create(model="auto", input=HELLO, stream=True)

    assert last.type == "response.completed"
    assert last.response.usage == whole.usage


def test_structured(client: openai.OpenAI) -> None:
    """`parse` with a pydantic model returns one."""
    answer = client.responses.parse(model="auto", input=HELLO, text_format=Place)

    assert isinstance(answer.output_parsed, Place)


def test_structured_in_a_stream(client: openai.OpenAI) -> None:
    """The stream helper puts a pydantic model together."""
    with client.responses.stream(model="auto", input=HELLO, text_format=Place) as stream:
        answer = stream.get_final_response()

    assert isinstance(answer.output_parsed, Place)


def test_one_tool(client: openai.OpenAI) -> None:
    """A function is called with arguments of its schema."""
    answer = client.responses.create(model="auto", input=WEATHER, tools=TOOLS)

    assert called(answer) == ["get_weather"]


def test_one_tool_in_a_stream(client: openai.OpenAI) -> None:
    """The stream helper puts the call together."""
    with client.responses.stream(model="auto", input=WEATHER, tools=TOOLS) as stream:
        answer = stream.get_final_response()

    assert called(answer) == ["get_weather"]


def test_parallel_tools(client: openai.OpenAI) -> None:
    """Two functions are called at once."""
    answer = client.responses.create(model="auto", input=WEATHER_AND_TIME, tools=TOOLS)

    assert sorted(called(answer)) == ["get_time", "get_weather"]


def test_tool_loop_of_three_turns(client: openai.OpenAI) -> None:
    """The items of an answer go back as the client has them, and one model answers every turn."""
    items: list[Any] = [{"role": "user", "content": f"{FOR_SQL}: {WEATHER}"}]
    models = set()
    for question in (f"and {WEATHER}", "thank you"):
        answer = client.responses.create(model="auto", input=items, tools=TOOLS)
        [call] = [item for item in answer.output if item.type == "function_call"]
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
        items += [*answer.output, result]
        answer = client.responses.create(model="auto", input=items, tools=TOOLS)
        items += [*answer.output, {"role": "user", "content": question}]
        models.add(answer.model)
    last = client.responses.create(model="auto", input=items, tools=TOOLS)

    assert models == {"sql"}
    assert last.output_text


def test_previous_response(client: openai.OpenAI) -> None:
    """A result refers to the answer that called, and the model that called gets it."""
    first = client.responses.create(model="auto", input=f"{FOR_SQL}: {WEATHER}", tools=TOOLS)
    [call] = [item for item in first.output if item.type == "function_call"]
    answer = client.responses.create(
        model="auto",
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "rain"}],
        previous_response_id=first.id,
        tools=TOOLS,
    )

    assert (answer.model, answer.previous_response_id) == ("sql", first.id)
    assert answer.output_text


def test_item_references(client: openai.OpenAI) -> None:
    """Items of an answer go back by their ids."""
    question: Any = {"role": "user", "content": f"{FOR_SQL}: {WEATHER}"}
    first = client.responses.create(model="auto", input=[question], tools=TOOLS)
    [call] = [item for item in first.output if item.type == "function_call"]
    references: list[Any] = [{"type": "item_reference", "id": item.id} for item in first.output]
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    answer = client.responses.create(
        model="auto", input=[question, *references, result], tools=TOOLS
    )

    assert answer.model == "sql"
    assert answer.output_text


def test_unknown_item_reference(client: openai.OpenAI) -> None:
    """It is the client's NotFoundError, and names the place."""
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.create(model="auto", input=[{"type": "item_reference", "id": "msg_0_0"}])

    assert caught.value.param == "input[0].id"


def test_image(client: openai.OpenAI) -> None:
    """A picture goes to a model that sees."""
    answer = client.responses.create(model="auto", input=picture())

    assert answer.model == "generalist"
    assert answer.output_text


def test_image_for_a_model_that_sees_none(client: openai.OpenAI) -> None:
    """A named model that sees none is the client's BadRequestError."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="sql", input=picture())

    assert (caught.value.param or "").startswith("input")


def test_hints(client: openai.OpenAI) -> None:
    """Parameters that are hints are no reason to refuse, and those without effect are listed."""
    raw = client.responses.with_raw_response.create(
        model="auto",
        input=HELLO,
        reasoning={"effort": "low", "summary": "auto"},
        text={"verbosity": "low"},
        include=["reasoning.encrypted_content"],
        service_tier="auto",
        store=False,
        metadata={"team": "a"},
        prompt_cache_key="a",
        safety_identifier="a",
        truncation="disabled",
    )

    assert "reasoning" in raw.headers["x-niche-not-applied"]


def test_unknown_model(client: openai.OpenAI) -> None:
    """It is the client's NotFoundError, with OpenAI's code."""
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.create(model="nope", input=HELLO)

    assert caught.value.code == "model_not_found"


def test_bad_key(client: openai.OpenAI) -> None:
    """It is the client's AuthenticationError."""
    with pytest.raises(openai.AuthenticationError) as caught:
        client.with_options(api_key="another").responses.create(model="auto", input=HELLO)

    assert caught.value.code == "invalid_api_key"


def test_bad_parameter(client: openai.OpenAI) -> None:
    """It is the client's BadRequestError, and names the parameter as the client does."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="auto", input=HELLO, max_output_tokens=0)

    assert caught.value.param == "max_output_tokens"


def test_error_in_a_stream(client: openai.OpenAI) -> None:
    """A model that fails in mid-stream ends in the event that says so."""
    *before, last = client.responses.create(model="auto", input=BREAKING, stream=True)

    assert before
    assert last.type == "response.failed"
    assert last.response.error is not None


def test_cancellation(client: openai.OpenAI, idle: Callable[[], bool]) -> None:
    """A stream that the client closes ends at the model too."""
    stream = client.responses.create(model="auto", input=SLOWLY, stream=True)
    next(iter(stream))

    stream.close()

    assert idle()


def test_retries(client: openai.OpenAI, unique: str) -> None:
    """A full model is asked again after the time that it names."""
    answer = client.with_options(max_retries=1).responses.create(model="busy", input=unique)

    assert answer.output_text
