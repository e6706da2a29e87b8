"""The official client: chat completions."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion

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
    {"type": "function", "function": {"name": name, "parameters": CITY, "strict": True}}
    for name in ("get_weather", "get_time")
]


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0) as made:
        yield made


@pytest.fixture
async def asynchronous(url: str) -> Any:
    async with openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as made:
        yield made


def said(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


def picture() -> list[Any]:
    return said(
        [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": PICTURE}},
        ]
    )


def called(answer: ChatCompletion) -> dict[str, str]:
    """The city that each function was called with."""
    calls = answer.choices[0].message.tool_calls or []
    return {call.function.name: json.loads(call.function.arguments)["city"] for call in calls}


def test_plain(client: openai.OpenAI) -> None:
    """A question to `auto` is answered by the specialist of its domain."""
    answer = client.chat.completions.create(model="auto", messages=said(FOR_SQL))

    assert answer.model == "sql"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"


def test_stream(client: openai.OpenAI) -> None:
    """The pieces of a stream are the whole answer's text."""
    whole = client.chat.completions.create(model="auto", messages=said(HELLO))

    events = client.chat.completions.create(model="auto", messages=said(HELLO), stream=True)
    pieces = [event.choices[0].delta.content or "" for event in events]

    assert len(pieces) > 2
    assert "".join(pieces) == whole.choices[0].message.content


def test_usage(client: openai.OpenAI) -> None:
    """A whole answer counts its tokens."""
    usage = client.chat.completions.create(model="auto", messages=said(HELLO)).usage

    assert usage is not None
    assert usage.prompt_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_usage_in_a_stream(client: openai.OpenAI) -> None:
    """The last event of a stream counts what a whole answer counts."""
    whole = client.chat.completions.create(model="auto", messages=said(HELLO))

    *_, last = client.chat.completions.create(
        model="auto", messages=said(HELLO), stream=True, stream_options={"include_usage": True}
    )

    assert (last.choices, last.usage) == ([], whole.usage)


async def test_asynchronous(asynchronous: openai.AsyncOpenAI) -> None:
    """The asynchronous client answers."""
    answer = await asynchronous.chat.completions.create(model="auto", messages=said(HELLO))

    assert answer.choices[0].message.content


async def test_asynchronous_stream(asynchronous: openai.AsyncOpenAI) -> None:
    """The asynchronous client streams."""
    stream = await asynchronous.chat.completions.create(
        model="auto", messages=said(HELLO), stream=True
    )

    assert "".join([event.choices[0].delta.content or "" async for event in stream])


def test_several_answers(client: openai.OpenAI) -> None:
    """The stream helper puts three answers together, which are those of a whole answer."""
    whole = client.chat.completions.create(model="auto", messages=said(HELLO), n=3)

    with client.chat.completions.stream(model="auto", messages=said(HELLO), n=3) as stream:
        streamed = stream.get_final_completion()

    texts = [choice.message.content for choice in whole.choices]
    assert len(texts) == 3
    assert [choice.message.content for choice in streamed.choices] == texts


def test_logprobs(client: openai.OpenAI) -> None:
    """Each token has its log-probability, and those of the likeliest."""
    answer = client.chat.completions.create(
        model="auto", messages=said(HELLO), logprobs=True, top_logprobs=2
    )

    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert [len(token.top_logprobs) for token in logprobs.content or []] == [2] * 5


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_text_completion(client: openai.OpenAI, stream: bool) -> None:
    """A text is completed, whole and in pieces."""
    made: Any = client.completions.create(
        model="generalist", prompt=HELLO, logprobs=1, stream=stream
    )

    events = list(made) if stream else [made]
    assert "".join(event.choices[0].text for event in events).endswith(HELLO)


def test_structured(client: openai.OpenAI) -> None:
    """`parse` with a pydantic model returns one."""
    answer = client.chat.completions.parse(
        model="auto", messages=said(HELLO), response_format=Place
    )

    assert isinstance(answer.choices[0].message.parsed, Place)


def test_structured_in_a_stream(client: openai.OpenAI) -> None:
    """The stream helper puts a pydantic model together."""
    with client.chat.completions.stream(
        model="auto", messages=said(HELLO), response_format=Place
    ) as stream:
        answer = stream.get_final_completion()

    assert isinstance(answer.choices[0].message.parsed, Place)


def test_json_object(client: openai.OpenAI) -> None:
    """`json_object` gives an object."""
    answer = client.chat.completions.create(
        model="auto", messages=said("JSON, please"), response_format={"type": "json_object"}
    )

    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


def test_one_tool(client: openai.OpenAI) -> None:
    """A function is called with arguments of its schema."""
    answer = client.chat.completions.create(model="auto", messages=said(WEATHER), tools=TOOLS)

    assert called(answer).keys() == {"get_weather"}
    assert answer.choices[0].finish_reason == "tool_calls"


def test_one_tool_in_a_stream(client: openai.OpenAI) -> None:
    """The stream helper puts the call together, with the id of its first piece."""
    with client.chat.completions.stream(
        model="auto", messages=said(WEATHER), tools=TOOLS
    ) as stream:
        answer = stream.get_final_completion()

    [call] = answer.choices[0].message.tool_calls or []
    assert call.id.startswith("call_")
    assert called(answer).keys() == {"get_weather"}


def test_a_named_tool(client: openai.OpenAI) -> None:
    """A function that `tool_choice` names is called, whatever the text says."""
    choice: Any = {"type": "function", "function": {"name": "get_time"}}

    answer = client.chat.completions.create(
        model="auto", messages=said(HELLO), tools=TOOLS, tool_choice=choice
    )

    assert called(answer).keys() == {"get_time"}


def test_parallel_tools(client: openai.OpenAI) -> None:
    """Two functions are called at once, each with an id of its own."""
    answer = client.chat.completions.create(
        model="auto", messages=said(WEATHER_AND_TIME), tools=TOOLS
    )

    assert called(answer).keys() == {"get_weather", "get_time"}
    assert len({call.id for call in answer.choices[0].message.tool_calls or []}) == 2


def test_tool_loop_of_three_turns(client: openai.OpenAI) -> None:
    """Calls and results go back as the client has them, and one model answers every turn."""
    messages = said(f"{FOR_SQL}: {WEATHER}")
    models = set()
    for question in (f"and {WEATHER}", "thank you"):
        answer = client.chat.completions.create(model="auto", messages=messages, tools=TOOLS)
        message = answer.choices[0].message
        [call] = message.tool_calls or []
        messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
        answer = client.chat.completions.create(model="auto", messages=messages, tools=TOOLS)
        messages += [answer.choices[0].message, *said(question)]
        models.add(answer.model)
    last = client.chat.completions.create(model="auto", messages=messages, tools=TOOLS)

    assert models == {"sql"}
    assert last.choices[0].message.content


def test_an_answer_sent_back(client: openai.OpenAI) -> None:
    """An answer's `model_dump()`, with its nulls and extras, is a message of the next request."""
    answer = client.chat.completions.create(model="auto", messages=said(HELLO))

    again = client.chat.completions.create(
        model="auto",
        messages=[*said(HELLO), answer.choices[0].message.model_dump(), *said(HELLO)],  # type: ignore[list-item] - as people do
    )

    assert again.choices[0].message.content


def test_image(client: openai.OpenAI) -> None:
    """A picture goes to a model that sees."""
    answer = client.chat.completions.create(model="auto", messages=picture())

    assert answer.model == "generalist"
    assert answer.choices[0].message.content


def test_image_for_a_model_that_sees_none(client: openai.OpenAI) -> None:
    """A named model that sees none is the client's BadRequestError."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="sql", messages=picture())

    assert (caught.value.param or "").startswith("messages")


def test_hints(client: openai.OpenAI) -> None:
    """Parameters that are hints are no reason to refuse, and those without effect are listed."""
    raw = client.chat.completions.with_raw_response.create(
        model="auto",
        messages=said(HELLO),
        reasoning_effort="low",
        verbosity="low",
        service_tier="auto",
        store=True,
        metadata={"team": "a"},
        prompt_cache_key="a",
        safety_identifier="a",
        parallel_tool_calls=True,
        prediction={"type": "content", "content": "hello"},
    )

    assert "reasoning_effort" in raw.headers["x-niche-not-applied"]


def test_unknown_model(client: openai.OpenAI) -> None:
    """It is the client's NotFoundError, with OpenAI's code."""
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nope", messages=said(HELLO))

    assert caught.value.code == "model_not_found"


def test_bad_key(client: openai.OpenAI) -> None:
    """It is the client's AuthenticationError."""
    with pytest.raises(openai.AuthenticationError) as caught:
        client.with_options(api_key="another").chat.completions.create(
            model="auto", messages=said(HELLO)
        )

    assert caught.value.code == "invalid_api_key"


def test_bad_parameter(client: openai.OpenAI) -> None:
    """It is the client's BadRequestError, and names the parameter."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="auto", messages=said(HELLO), temperature=3)

    assert caught.value.param == "temperature"


def test_error_in_a_stream(client: openai.OpenAI) -> None:
    """A model that fails in mid-stream is the client's APIError after the pieces that came."""
    pieces = []

    with pytest.raises(openai.APIError) as caught:
        pieces.extend(
            client.chat.completions.create(model="auto", messages=said(BREAKING), stream=True)
        )

    assert pieces
    assert caught.value.code == "model_unavailable"


def test_cancellation(client: openai.OpenAI, idle: Callable[[], bool]) -> None:
    """A stream that the client closes ends at the model too."""
    stream = client.chat.completions.create(model="auto", messages=said(SLOWLY), stream=True)
    next(iter(stream))

    stream.close()

    assert idle()


def test_retries(client: openai.OpenAI, unique: str) -> None:
    """A full model is asked again after the time that it names."""
    answer = client.with_options(max_retries=1).chat.completions.create(
        model="busy", messages=said(unique)
    )

    assert answer.choices[0].message.content


def test_no_retries_left(client: openai.OpenAI, unique: str) -> None:
    """A full model is a 429 that says when to come again."""
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="busy", messages=said(unique))

    assert caught.value.code == "model_overloaded"
    assert caught.value.response.headers["retry-after"] == "1"


def test_embeddings(client: openai.OpenAI) -> None:
    """Texts have vectors in their order, as numbers and in base64, which the client prefers."""
    both = client.embeddings.create(model="vectors", input=[HELLO, FOR_SQL]).data
    [one] = client.embeddings.create(model="vectors", input=FOR_SQL, encoding_format="float").data

    assert both[1].embedding == pytest.approx(one.embedding)
    assert both[0].embedding != both[1].embedding


def test_models(client: openai.OpenAI) -> None:
    """Models are listed and retrieved."""
    names = {model.id for model in client.models.list()}

    assert {"auto", "generalist", "sql", "vectors"} <= names
    assert client.models.retrieve("sql").owned_by == "niche"
