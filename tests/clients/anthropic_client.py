"""Anthropic's client: Messages."""

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest

from tests.clients.material import (
    BREAKING,
    CITY,
    FOR_SQL,
    HELLO,
    KEY,
    PNG,
    SLOWLY,
    SQL,
    WEATHER,
    WEATHER_AND_TIME,
    Place,
)

ASKED: dict[str, Any] = {"model": "auto", "max_tokens": 200}
TOOLS: Any = [
    {"name": name, "description": f"the {name}", "input_schema": CITY}
    for name in ("get_weather", "get_time")
]


@pytest.fixture
def client(address: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=address, api_key=KEY, max_retries=0) as made:
        yield made


def said(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


def picture() -> list[Any]:
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    return said([{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}])


def text_of(answer: Any) -> str:
    return "".join(block.text for block in answer.content if block.type == "text")


def called(answer: Any) -> list[str]:
    """The functions that were called, each with a city."""
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert all("city" in call.input for call in calls)
    return [call.name for call in calls]


def test_plain(client: anthropic.Anthropic) -> None:
    """A question to `auto` is answered by the specialist of its domain."""
    answer = client.messages.create(**ASKED, messages=said(FOR_SQL), system="Be brief.")

    assert (answer.model, answer.stop_reason) == ("sql", "end_turn")
    assert text_of(answer)


def test_stream(client: anthropic.Anthropic) -> None:
    """The pieces of a stream are the whole answer's text."""
    whole = client.messages.create(**ASKED, messages=said(HELLO))

    with client.messages.stream(**ASKED, messages=said(HELLO)) as stream:
        pieces = list(stream.text_stream)

    assert len(pieces) > 2
    assert "".join(pieces) == text_of(whole)


async def test_asynchronous_stream(address: str) -> None:
    """The asynchronous client's stream helper puts the answer together."""
    async with (
        anthropic.AsyncAnthropic(base_url=address, api_key=KEY, max_retries=0) as client,
        client.messages.stream(**ASKED, messages=said(HELLO)) as stream,
    ):
        answer = await stream.get_final_message()

    assert text_of(answer)


def test_usage(client: anthropic.Anthropic) -> None:
    """A whole answer counts its tokens."""
    usage = client.messages.create(**ASKED, messages=said(HELLO)).usage

    assert usage.input_tokens > 0
    assert usage.output_tokens > 0


def test_usage_in_a_stream(client: anthropic.Anthropic) -> None:
    """A stream counts what a whole answer counts."""
    whole = client.messages.create(**ASKED, messages=said(HELLO))

    with client.messages.stream(**ASKED, messages=said(HELLO)) as stream:
        usage = stream.get_final_message().usage

    assert usage.output_tokens == whole.usage.output_tokens
    assert usage.input_tokens == whole.usage.input_tokens


def test_length(client: anthropic.Anthropic) -> None:
    """An answer that `max_tokens` cuts says so."""
    answer = client.messages.create(model="auto", max_tokens=1, messages=said(HELLO))

    assert (answer.stop_reason, answer.usage.output_tokens) == ("max_tokens", 1)


def test_stop_sequence(client: anthropic.Anthropic) -> None:
    """An answer that a stop sequence ends says which, whole and streamed."""
    asked = {**ASKED, "messages": said(HELLO), "stop_sequences": ["never said", "answers"]}
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()

    for answer in (whole, streamed):
        assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "answers")
        assert "answers" not in text_of(answer)


def test_request_id(client: anthropic.Anthropic) -> None:
    """The client knows a request's id, of an answer, of a stream and of an error."""
    answer = client.messages.create(**ASKED, messages=said(HELLO))
    with client.messages.stream(**ASKED, messages=said(HELLO)) as stream:
        ids = {answer._request_id, stream.request_id}
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(model="auto", max_tokens=0, messages=said(HELLO))

    assert None not in ids
    assert len(ids | {caught.value.request_id}) == 3


def test_structured(client: anthropic.Anthropic) -> None:
    """`parse` with a pydantic model returns one."""
    answer = client.messages.parse(**ASKED, messages=said(HELLO), output_format=Place)

    assert isinstance(answer.parsed_output, Place)


def test_one_tool(client: anthropic.Anthropic) -> None:
    """A function is called with arguments of its schema."""
    answer = client.messages.create(**ASKED, messages=said(WEATHER), tools=TOOLS)

    assert called(answer) == ["get_weather"]
    assert answer.stop_reason == "tool_use"


def test_one_tool_in_a_stream(client: anthropic.Anthropic) -> None:
    """The stream helper puts the call together."""
    with client.messages.stream(**ASKED, messages=said(WEATHER), tools=TOOLS) as stream:
        answer = stream.get_final_message()

    assert called(answer) == ["get_weather"]


def test_a_named_tool(client: anthropic.Anthropic) -> None:
    """A function that `tool_choice` names is called, whatever the text says."""
    choice: Any = {"type": "tool", "name": "get_time"}

    answer = client.messages.create(**ASKED, messages=said(HELLO), tools=TOOLS, tool_choice=choice)

    assert called(answer) == ["get_time"]


def test_parallel_tools(client: anthropic.Anthropic) -> None:
    """Two functions are called at once."""
    answer = client.messages.create(**ASKED, messages=said(WEATHER_AND_TIME), tools=TOOLS)

    assert sorted(called(answer)) == ["get_time", "get_weather"]


def test_tool_loop_of_three_turns(client: anthropic.Anthropic) -> None:
    """Blocks go back as the client has them, and one model answers every turn."""
    messages = said(f"{FOR_SQL}: {WEATHER}")
    models = set()
    for question in (f"and {WEATHER}", "thank you"):
        answer = client.messages.create(**ASKED, messages=messages, tools=TOOLS)
        [call] = [block for block in answer.content if block.type == "tool_use"]
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "rain"}
        messages += [{"role": "assistant", "content": answer.content}, *said([result])]
        answer = client.messages.create(**ASKED, messages=messages, tools=TOOLS)
        messages += [{"role": "assistant", "content": answer.content}, *said(question)]
        models.add(answer.model)
    last = client.messages.create(**ASKED, messages=messages, tools=TOOLS)

    assert models == {"sql"}
    assert text_of(last)


def test_image(client: anthropic.Anthropic) -> None:
    """A picture goes to a model that sees."""
    answer = client.messages.create(**ASKED, messages=picture())

    assert answer.model == "generalist"
    assert text_of(answer)


def test_image_for_a_model_that_sees_none(client: anthropic.Anthropic) -> None:
    """A named model that sees none is the client's BadRequestError."""
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(**ASKED | {"model": "sql"}, messages=picture())

    assert caught.value.type == "invalid_request_error"


def test_hints(client: anthropic.Anthropic) -> None:
    """Parameters that are hints are no reason to refuse, and those without effect are listed."""
    cached: Any = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]

    raw = client.messages.with_raw_response.create(
        **ASKED,
        messages=said(HELLO),
        system=cached,
        thinking={"type": "adaptive"},
        metadata={"user_id": "a"},
        service_tier="auto",
    )

    assert "thinking" in raw.headers["x-niche-not-applied"]


def test_unknown_model(client: anthropic.Anthropic) -> None:
    """It is the client's NotFoundError."""
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.messages.create(**ASKED | {"model": "nope"}, messages=said(HELLO))

    assert caught.value.type == "not_found_error"


def test_bad_key(client: anthropic.Anthropic) -> None:
    """It is the client's AuthenticationError."""
    with pytest.raises(anthropic.AuthenticationError) as caught:
        client.with_options(api_key="another").messages.create(**ASKED, messages=said(HELLO))

    assert caught.value.type == "authentication_error"


def test_bad_parameter(client: anthropic.Anthropic) -> None:
    """It is the client's BadRequestError."""
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(model="auto", max_tokens=0, messages=said(HELLO))

    assert caught.value.type == "invalid_request_error"


def test_error_in_a_stream(client: anthropic.Anthropic) -> None:
    """A model that fails in mid-stream is the client's APIError after the pieces that came."""
    pieces = []

    with (
        pytest.raises(anthropic.APIStatusError),
        client.messages.stream(**ASKED, messages=said(BREAKING)) as stream,
    ):
        pieces.extend(stream.text_stream)

    assert pieces


def test_cancellation(client: anthropic.Anthropic, idle: Callable[[], bool]) -> None:
    """A stream that the client closes ends at the model too."""
    with client.messages.stream(model="auto", max_tokens=2000, messages=said(SLOWLY)) as stream:
        next(iter(stream.text_stream))

    assert idle()


def test_retries(client: anthropic.Anthropic, unique: str) -> None:
    """A full model is asked again after the time that it names."""
    answer = client.with_options(max_retries=1).messages.create(
        **ASKED | {"model": "busy"}, messages=said(unique)
    )

    assert text_of(answer)


def test_no_retries_left(client: anthropic.Anthropic, unique: str) -> None:
    """A full model is a 429 that says when to come again."""
    with pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.create(**ASKED | {"model": "busy"}, messages=said(unique))

    assert caught.value.response.headers["retry-after"] == "1"


@pytest.fixture
def sensible(stack: str) -> Iterator[anthropic.Anthropic]:
    """A client of the default stack."""
    with anthropic.Anthropic(base_url=stack, api_key=KEY, max_retries=0) as made:
        yield made


def test_default_stack_text(sensible: anthropic.Anthropic) -> None:
    """A specialist answers in its niche."""
    assert text_of(sensible.messages.create(**ASKED, messages=said(SQL))).startswith("SELECT")


def test_default_stack_structured(sensible: anthropic.Anthropic) -> None:
    """A small model's answer follows the schema."""
    answer = sensible.messages.parse(**ASKED, messages=said("Describe Paris."), output_format=Place)

    assert isinstance(answer.parsed_output, Place)


def test_default_stack_tool(sensible: anthropic.Anthropic) -> None:
    """A small model calls the function that it has to."""
    choice: Any = {"type": "tool", "name": "get_time"}

    answer = sensible.messages.create(
        **ASKED, messages=said("What time is it in Rome?"), tools=TOOLS, tool_choice=choice
    )

    assert {*called(answer)} == {"get_time"}


def test_default_stack_count_of_tokens(sensible: anthropic.Anthropic) -> None:
    """What is counted beforehand is what the answer counts."""
    counted = sensible.messages.count_tokens(model="auto", messages=said(SQL))
    usage = sensible.messages.create(**ASKED, messages=said(SQL)).usage

    assert counted.input_tokens == usage.input_tokens + (usage.cache_read_input_tokens or 0)
