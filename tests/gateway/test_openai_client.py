"""The official client against a real server on loopback: what it understands is what counts."""

import inspect
import math
from collections.abc import Iterator

import openai
import pytest

from deployments.protocol import Overloaded, Unavailable
from gateway.dialects.embeddings import EmbeddingRequest
from gateway.dialects.parse import CHAT_UNSUPPORTED, TEXT_UNSUPPORTED
from gateway.dialects.schemas import ChatRequest, TextRequest
from tests.fakes import FakeBackend
from tests.gateway.stacks import CHAT, EMBEDDER, make_gateway, on_loopback


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with on_loopback(make_gateway(embeddings=[EMBEDDER]).app) as address:
        yield f"{address}/v1"


@pytest.fixture(scope="module")
def failing_url() -> Iterator[str]:
    late = FakeBackend("sql-model", failure=Unavailable("sql-model", "died"))
    full = FakeBackend("big", refusal=Overloaded("big", 9, 2.0))
    with on_loopback(make_gateway(full, late).app) as address:
        yield f"{address}/v1"


@pytest.fixture
def client(url):
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture
def failing(failing_url):
    with openai.OpenAI(base_url=failing_url, api_key="none", max_retries=0) as made:
        yield made


def test_unary(client):
    """An answer parses, and its request id is known to the client."""
    answer = client.chat.completions.create(**CHAT)

    assert (answer.choices[0].message.content, answer.model) == ("Hello, world", "sql-model")
    assert answer.usage.total_tokens == 10
    assert answer._request_id == answer.niche["request_id"]


def test_an_answer_goes_back_into_the_conversation(client):
    """The message object of an answer can be sent back as it is."""
    answer = client.chat.completions.create(**CHAT)

    again = client.chat.completions.create(
        model="auto", messages=[*CHAT["messages"], answer.choices[0].message, *CHAT["messages"]]
    )

    assert again.choices[0].finish_reason == "stop"


def test_stream_with_usage(client):
    """A stream parses, and its last event has the usage."""
    events = list(
        client.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": True})
    )

    texts = [event.choices[0].delta.content for event in events if event.choices]
    assert ("".join(texts), events[-1].usage.completion_tokens) == ("Hello, world", 3)


async def test_the_asynchronous_client(url):
    """The asynchronous client streams too."""
    async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:
        stream = await client.chat.completions.create(**CHAT, stream=True)
        texts = [event.choices[0].delta.content async for event in stream]

    assert "".join(texts) == "Hello, world"


def test_the_streaming_helper(client):
    """The client's own accumulator puts three streamed answers together."""
    with client.chat.completions.stream(**CHAT, n=3) as stream:
        answer = stream.get_final_completion()

    assert [choice.message.content for choice in answer.choices] == ["Hello, world"] * 3


def test_several_answers(client):
    """n answers parse."""
    answer = client.chat.completions.create(**CHAT, n=3)

    assert [choice.index for choice in answer.choices] == [0, 1, 2]


def test_logprobs(client):
    """Log-probabilities parse."""
    answer = client.chat.completions.create(**CHAT, logprobs=True, top_logprobs=2)

    [first, *_] = answer.choices[0].logprobs.content
    assert (first.token, len(first.top_logprobs)) == ("Hello", 2)


@pytest.mark.parametrize("stream", [False, True])
def test_text_completions(client, stream):
    """Text completions parse, whole and streamed."""
    made = client.completions.create(model="big", prompt="a", logprobs=1, stream=stream)

    events = list(made) if stream else [made]
    assert "".join(event.choices[0].text for event in events) == "Hello, world"


def test_embeddings(client):
    """Vectors parse, as numbers and in base64, which the client asks for by itself."""
    packed = client.embeddings.create(model="vectors", input=["a", "b"])
    numbers = client.embeddings.create(model="vectors", input="a", encoding_format="float")

    assert [item.index for item in packed.data] == [0, 1]
    assert packed.data[0].embedding == pytest.approx(numbers.data[0].embedding)
    assert math.hypot(*packed.data[1].embedding) == pytest.approx(1)
    assert (packed.model, packed.usage.total_tokens) == ("vectors", 2)


def test_models(client):
    """Models are listed and retrieved."""
    names = [model.id for model in client.models.list()]

    assert names == ["auto", "big", "sql-model", "vectors"]
    assert client.models.retrieve("big").owned_by == "niche"


def test_an_unknown_model(client):
    """An unknown model is the client's NotFoundError with its code."""
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nope", messages=CHAT["messages"])

    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_a_bad_parameter(client):
    """A bad value is the client's BadRequestError and names its parameter."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**CHAT, temperature=3)

    assert (caught.value.code, caught.value.param) == ("invalid_value", "temperature")


def test_an_overloaded_model(failing):
    """A full queue is a status that the client may retry."""
    with pytest.raises(openai.InternalServerError) as caught:
        failing.chat.completions.create(model="big", messages=CHAT["messages"])

    assert (caught.value.status_code, caught.value.code) == (503, "model_overloaded")


def test_an_error_in_mid_stream(failing):
    """A stream that breaks raises, after what it had said."""
    stream = failing.chat.completions.create(**CHAT, stream=True)
    texts = []

    with pytest.raises(openai.APIError) as caught:
        texts.extend(event.choices[0].delta.content for event in stream)

    assert caught.value.code == "model_unavailable"


def test_hanging_up_stops_the_model():
    """A client that closes its stream stops the model, over a real socket."""
    backend = FakeBackend("sql-model", pieces=["x" * 10_000] * 10_000)
    gateway = make_gateway(sql=backend)
    with (
        on_loopback(gateway.app) as address,
        openai.OpenAI(base_url=f"{address}/v1", api_key="none") as client,
    ):
        stream = client.chat.completions.create(**CHAT, stream=True)
        next(iter(stream))
        stream.close()

    assert (backend.open_streams, backend.closed_early) == (0, 1)


@pytest.mark.parametrize(
    ("create", "request_type", "unsupported"),
    [
        (openai.resources.chat.Completions.create, ChatRequest, CHAT_UNSUPPORTED),
        (openai.resources.Completions.create, TextRequest, TEXT_UNSUPPORTED),
        (openai.resources.Embeddings.create, EmbeddingRequest, {}),
    ],
    ids=["chat", "text", "embeddings"],
)
def test_every_parameter_of_the_client_is_known(create, request_type, unsupported):
    """Each parameter that the client can send is served, or refused as unsupported by its name."""
    transport = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}

    sent = set(inspect.signature(create).parameters) - transport

    assert sent - set(request_type.__struct_fields__) - set(unsupported) == set()
