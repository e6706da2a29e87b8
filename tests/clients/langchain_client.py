"""LangChain's client of OpenAI."""

import itertools
from collections.abc import Callable
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from tests.clients.material import (
    BREAKING,
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

TOOLS = [tool(of) for of in FUNCTIONS]


@pytest.fixture
def made(url: str) -> Callable[..., ChatOpenAI]:
    def make(**more: Any) -> ChatOpenAI:
        settings = {"model": "auto", "base_url": url, "api_key": KEY, "max_retries": 0}
        return ChatOpenAI(**settings | more)

    return make


@pytest.fixture
def model(made: Callable[..., ChatOpenAI]) -> ChatOpenAI:
    return made()


def picture() -> list[HumanMessage]:
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": PICTURE}},
    ]
    return [HumanMessage(parts)]


def called(answer: AIMessage) -> list[str]:
    """The functions that were called, each with a city."""
    assert all("city" in call["args"] for call in answer.tool_calls)
    return [call["name"] for call in answer.tool_calls]


def test_plain(model: ChatOpenAI) -> None:
    """A question to `auto` is answered by the specialist of its domain."""
    answer = model.invoke([("system", "Be brief."), ("user", FOR_SQL)])

    assert answer.content
    assert answer.response_metadata["model_name"] == "sql"


def test_stream(model: ChatOpenAI) -> None:
    """The pieces of a stream are the whole answer's text."""
    pieces = [str(piece.content) for piece in model.stream(HELLO)]

    assert len(pieces) > 2
    assert "".join(pieces) == model.invoke(HELLO).content


async def test_asynchronous_stream(model: ChatOpenAI) -> None:
    """It streams asynchronously too."""
    assert "".join([str(piece.content) async for piece in model.astream(HELLO)])


def test_usage(model: ChatOpenAI) -> None:
    """A whole answer counts its tokens."""
    usage = model.invoke(HELLO).usage_metadata

    assert usage is not None
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0


def test_usage_in_a_stream(made: Callable[..., ChatOpenAI]) -> None:
    """`stream_usage` counts what a whole answer counts."""
    usages = [piece.usage_metadata for piece in made(stream_usage=True).stream(HELLO)]

    assert [usage for usage in usages if usage] == [made().invoke(HELLO).usage_metadata]


def test_structured(model: ChatOpenAI) -> None:
    """`with_structured_output`, by JSON schema as it is by default."""
    assert isinstance(model.with_structured_output(Place).invoke(HELLO), Place)


def test_structured_by_a_tool(model: ChatOpenAI) -> None:
    """`with_structured_output`, by a function that must be called."""
    structured = model.with_structured_output(Place, method="function_calling")

    assert isinstance(structured.invoke(HELLO), Place)


def test_json_object(model: ChatOpenAI) -> None:
    """`with_structured_output`, by `json_object` without a schema."""
    structured = model.with_structured_output(method="json_mode")

    assert isinstance(structured.invoke("JSON, please"), dict)


def test_one_tool(model: ChatOpenAI) -> None:
    """A function is called with arguments of its schema."""
    answer = model.bind_tools(TOOLS).invoke(WEATHER)

    assert called(answer) == ["get_weather"]


def test_one_tool_in_a_stream(model: ChatOpenAI) -> None:
    """The pieces add up to the call."""
    first, *rest = model.bind_tools(TOOLS).stream(WEATHER)
    for piece in rest:
        first += piece

    assert called(first) == ["get_weather"]


def test_a_named_tool(model: ChatOpenAI) -> None:
    """`tool_choice` makes the model call what the text does not ask for."""
    answer = model.bind_tools(TOOLS, tool_choice="get_time").invoke(HELLO)

    assert called(answer) == ["get_time"]


def test_parallel_tools(model: ChatOpenAI) -> None:
    """Two functions are called at once."""
    answer = model.bind_tools(TOOLS).invoke(WEATHER_AND_TIME)

    assert sorted(called(answer)) == ["get_time", "get_weather"]


def test_tool_loop_of_three_turns(model: ChatOpenAI) -> None:
    """Calls and results go back as LangChain has them, and one model answers every turn."""
    bound, messages = model.bind_tools(TOOLS), [HumanMessage(f"{FOR_SQL}: {WEATHER}")]
    models = set()
    for question in (f"and {WEATHER}", "thank you"):
        answer = bound.invoke(messages)
        [call] = answer.tool_calls
        messages += [answer, ToolMessage("rain", tool_call_id=call["id"])]
        answer = bound.invoke(messages)
        messages += [answer, HumanMessage(question)]
        models.add(answer.response_metadata["model_name"])

    assert models == {"sql"}
    assert bound.invoke(messages).content


def test_image(model: ChatOpenAI) -> None:
    """A picture goes to a model that sees."""
    assert model.invoke(picture()).response_metadata["model_name"] == "generalist"


def test_image_for_a_model_that_sees_none(made: Callable[..., ChatOpenAI]) -> None:
    """A named model that sees none is a BadRequestError."""
    with pytest.raises(openai.BadRequestError):
        made(model="sql").invoke(picture())


def test_responses(made: Callable[..., ChatOpenAI]) -> None:
    """With `use_responses_api` it speaks Responses, whole and streamed."""
    model = made(use_responses_api=True)

    assert model.invoke(HELLO).text
    assert "".join(piece.text for piece in model.stream(HELLO))
    assert called(model.bind_tools(TOOLS).invoke(WEATHER)) == ["get_weather"]


def test_unknown_model(made: Callable[..., ChatOpenAI]) -> None:
    """It is a NotFoundError."""
    with pytest.raises(openai.NotFoundError):
        made(model="nope").invoke(HELLO)


def test_bad_key(made: Callable[..., ChatOpenAI]) -> None:
    """It is an AuthenticationError."""
    with pytest.raises(openai.AuthenticationError):
        made(api_key="another").invoke(HELLO)


def test_bad_parameter(made: Callable[..., ChatOpenAI]) -> None:
    """It is a BadRequestError."""
    with pytest.raises(openai.BadRequestError):
        made(temperature=3).invoke(HELLO)


def test_error_in_a_stream(model: ChatOpenAI) -> None:
    """A model that fails in mid-stream is an APIError."""
    with pytest.raises(openai.APIError):
        list(model.stream(BREAKING))


def test_cancellation(model: ChatOpenAI, idle: Callable[[], bool]) -> None:
    """A stream that is left ends at the model too."""
    stream = model.stream(SLOWLY)
    assert list(itertools.islice(stream, 2))

    stream.close()

    assert idle()


def test_retries(made: Callable[..., ChatOpenAI], unique: str) -> None:
    """A full model is asked again after the time that it names."""
    assert made(model="busy", max_retries=1).invoke(unique).content


def test_embeddings(url: str) -> None:
    """Documents and a query have vectors."""
    embeddings = OpenAIEmbeddings(
        model="vectors", base_url=url, api_key=KEY, check_embedding_ctx_length=False
    )

    [one, other] = embeddings.embed_documents([HELLO, FOR_SQL])

    assert other == embeddings.embed_query(FOR_SQL) != one


def test_default_stack_text(made: Callable[..., ChatOpenAI], stack: str) -> None:
    """A specialist answers in its niche."""
    assert made(base_url=f"{stack}/v1").invoke(SQL).text.startswith("SELECT")


def test_default_stack_structured(made: Callable[..., ChatOpenAI], stack: str) -> None:
    """A small model's answer follows the schema."""
    structured = made(base_url=f"{stack}/v1").with_structured_output(Place)

    assert isinstance(structured.invoke("Describe Paris."), Place)


def test_default_stack_tool(made: Callable[..., ChatOpenAI], stack: str) -> None:
    """A small model calls the function that it has to."""
    bound = made(base_url=f"{stack}/v1").bind_tools(TOOLS, tool_choice="get_time")

    assert {*called(bound.invoke("What time is it in Rome?"))} == {"get_time"}
