"""Images by URL through the whole edge: in every dialect a model reads the image itself, and an
error names the place in the client's body."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from deployments.capability import Capability
from deployments.protocol import Unavailable
from gateway.config import ResponseStoreSection
from tests.fakes import NotingBackend
from tests.gateway.pictures import PNG, Pictures, as_data
from tests.gateway.stacks import GENERALIST, SPECIALIST, HangingUp, make_gateway, until

SEES = {"capabilities": frozenset({Capability.IMAGES})}
SEEN = as_data("image/png", PNG)


def of_chats(url):
    image = {"type": "image_url", "image_url": {"url": url}}
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "SELECT"}, image]}]}


def of_responses(url):
    words = {"type": "input_text", "text": "SELECT"}
    image = {"type": "input_image", "image_url": url}
    return {"input": [{"role": "user", "content": [words, image]}]}


def of_messages(url):
    if url.startswith("data:"):
        kind, data = url.removeprefix("data:").split(";base64,")
        source = {"type": "base64", "media_type": kind, "data": data}
    else:
        source = {"type": "url", "url": url}
    words = {"type": "text", "text": "SELECT"}
    turn = {"role": "user", "content": [words, {"type": "image", "source": source}]}
    return {"messages": [turn], "max_tokens": 9}


CHATS, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
DIALECTS = [
    pytest.param(CHATS, of_chats, "messages[0].content[1].image_url.url", id="chat"),
    pytest.param(RESPONSES, of_responses, "input[0].content[1].image_url", id="responses"),
    pytest.param(MESSAGES, of_messages, "messages[0].content[1]", id="messages"),
]


@pytest.fixture
async def pictures():
    async with Pictures().serving() as serving:
        yield serving


@asynccontextmanager
async def stack(pictures, *, sees=SEES, sql=None, images=None, **settings):
    """A gateway whose models see, and which fetches from there."""
    gateway = make_gateway(
        NotingBackend("big"),
        sql or NotingBackend("sql-model"),
        generalist=GENERALIST.model_copy(update=sees),
        specialist=SPECIALIST.model_copy(update=sees),
        connect_to_images=pictures.connector,
        images=pictures.settings(**images or {}),
        **settings,
    )
    async with gateway.serving():
        yield gateway


def shown(backend):
    """The images of the last request to a model."""
    turns = backend.bodies[-1]["messages"]
    parts = [
        part for turn in turns if isinstance(turn["content"], list) for part in turn["content"]
    ]
    return [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]


def fault(response):
    error = response.json()["error"]
    assert error["message"].startswith(f"{error['param']}: ")
    return response.status_code, error["type"], error["code"], error["param"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("path", "body", "_place"), DIALECTS)
async def test_a_model_reads_the_image_itself(pictures, path, body, _place, stream):
    """Whatever the client speaks."""
    asked = body(pictures.at("/a")) | {"model": "auto", "stream": stream}
    async with stack(pictures) as gateway:
        response = await gateway.post(asked, path)

        assert response.status_code == 200, response.text
        assert shown(gateway.sql) == [SEEN]


async def test_so_does_one_that_counts_tokens(pictures):
    """For a conversation with an image."""
    asked = of_messages(pictures.at("/a")) | {"model": "auto"}
    del asked["max_tokens"]
    async with stack(pictures) as gateway:
        await gateway.post(asked, f"{MESSAGES}/count_tokens")

        assert shown(gateway.sql) == [SEEN]


async def test_so_does_one_that_reads_what_a_tool_gave(pictures):
    """An image in a result, as Anthropic's clients send it."""
    call = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    [_, image] = of_messages(pictures.at("/a"))["messages"][0]["content"]
    result = {"type": "tool_result", "tool_use_id": "c", "content": [image]}
    turns = [("user", "SELECT"), ("assistant", [call]), ("user", [result])]
    messages = [{"role": role, "content": content} for role, content in turns]
    able = {"capabilities": frozenset({Capability.IMAGES, Capability.TOOLS})}
    async with stack(pictures, sees=able) as gateway:
        response = await gateway.post(
            {"model": "auto", "max_tokens": 9, "messages": messages}, MESSAGES
        )

        assert response.status_code == 200, response.text
        assert shown(gateway.sql) == [SEEN]


async def test_the_next_model_reads_it_too(pictures):
    """It is fetched once."""
    ill = NotingBackend("sql-model", refusal=Unavailable("sql-model", "gone"))
    asked = of_chats(pictures.at("/a")) | {"model": "auto"}
    async with stack(pictures, sql=ill) as gateway:
        response = await gateway.post(asked)

        assert response.headers["x-niche-model"] == "big"
        assert shown(gateway.big) == shown(ill) == [SEEN]
        assert len(pictures.seen) == 1


async def test_a_stored_conversation_keeps_the_url(pictures, tmp_path):
    """Its image is fetched for each answer; once it is gone, the error names the conversation."""
    asked = of_responses(pictures.at("/a")) | {"model": "auto"}
    store = ResponseStoreSection(path=str(tmp_path / "responses.db"))
    async with stack(pictures, response_store=store) as gateway:
        first = await gateway.post(asked, RESPONSES)
        again = {"model": "auto", "input": "and?", "previous_response_id": first.json()["id"]}
        await gateway.post(again, RESPONSES)
        assert len(gateway.sql.requests) == len(pictures.seen) == 2
        assert shown(gateway.sql) == [SEEN]

        pictures.at("/a", status=404)
        status, _, code, place = fault(await gateway.post(again, RESPONSES))

        assert (status, code) == (400, "failed_to_download_image")
        assert place.startswith("previous_response_id")


@pytest.mark.parametrize(("path", "body", "place"), DIALECTS)
@pytest.mark.parametrize(
    "case",
    [
        ("/a", {"hosts": ()}, "invalid_image_url"),
        ("/a", {"allow_http": False}, "invalid_image_url"),
        ("/a", {"max_fetched_bytes": 1}, "image_too_large"),
        ("/gone", {}, "failed_to_download_image"),
        ("/page", {}, "unsupported_image_media_type"),
    ],
)
async def test_a_refusal_names_the_place(pictures, path, body, place, case):
    """In the dialect's own shape; no model is asked."""
    at, images, code = case
    pictures.at("/a")
    pictures.at("/gone", status=404)
    pictures.at("/page", kind="text/html")
    async with stack(pictures, images=images) as gateway:
        response = await gateway.post(body(pictures.url(at)) | {"model": "auto"}, path)

        assert fault(response) == (400, "invalid_request_error", code, place)
        assert gateway.big.requests == gateway.sql.requests == []


@pytest.mark.parametrize(("path", "body", "place"), DIALECTS)
async def test_an_image_in_the_request_may_be_too_large(pictures, path, body, place):
    """The same error, at the same place."""
    asked = body(SEEN) | {"model": "auto"}
    async with stack(pictures, images={"max_bytes": len(PNG) - 1}) as gateway:
        response = await gateway.post(asked, path)

    assert fault(response) == (400, "invalid_request_error", "image_too_large", place)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (CHATS, "invalid_request_error"),
        (RESPONSES, "invalid_request_error"),
        (MESSAGES, "request_too_large"),
    ],
)
async def test_a_request_may_be_too_large(path, kind):
    """In the dialect's own shape."""
    response = await make_gateway(max_body_bytes=10).post({"model": "auto"}, path)

    error = response.json()["error"]
    assert (response.status_code, error["type"], error["code"]) == (413, kind, "body_too_large")


async def test_nothing_is_fetched_for_models_that_see_nothing(pictures):
    """The request is refused before."""
    asked = of_chats(pictures.at("/a")) | {"model": "auto"}
    async with stack(pictures, sees={}) as gateway:
        response = await gateway.post(asked)

    assert fault(response)[2:] == ("unsupported_parameter", "messages[0].content[1]")
    assert pictures.seen == []


async def test_a_client_that_hangs_up_ends_the_fetching(pictures):
    """No model is asked."""
    client = HangingUp(of_chats(pictures.url("/late")) | {"model": "auto"})
    async with stack(pictures) as gateway:
        serving = asyncio.create_task(gateway.app(client.scope, client.receive, client.send))
        await until(lambda: pictures.seen)
        client.hang_up.set()
        await serving

        assert (client.sent, gateway.sql.requests) == ([], [])


async def test_the_time_of_a_request_counts(pictures):
    """Where it is less than that of images."""
    asked = of_chats(pictures.url("/late")) | {"model": "auto"}
    async with stack(pictures, request_timeout_seconds=0.05) as gateway:
        response = await gateway.post(asked)

    assert (response.status_code, response.json()["error"]["code"]) == (504, "deadline_exceeded")


URL = "https://pictures.test/a"
OTHERS = [
    (CHATS, "messages", {"type": "input_audio", "input_audio": {"data": URL, "format": "wav"}}),
    (CHATS, "messages", {"type": "audio_url", "audio_url": {"url": URL}}),
    (CHATS, "messages", {"type": "file", "file": {"file_data": URL}}),
    (RESPONSES, "input", {"type": "input_file", "file_url": URL}),
    (RESPONSES, "input", {"type": "input_audio", "input_audio": {"data": URL, "format": "wav"}}),
    (MESSAGES, "messages", {"type": "document", "source": {"type": "url", "url": URL}}),
]


@pytest.mark.parametrize(("path", "key", "part"), OTHERS)
async def test_sounds_and_files_are_refused(pictures, path, key, part):
    """Also from hosts of images; the error names the part."""
    asked = {"model": "auto", key: [{"role": "user", "content": [part]}]}
    if path == MESSAGES:
        asked["max_tokens"] = 9
    async with stack(pictures, images={"hosts": ["*"]}) as gateway:
        response = await gateway.post(asked, path)

    assert fault(response)[:3] == (400, "invalid_request_error", "invalid_value")
    assert fault(response)[3].startswith(f"{key}[0].content[0]")
    assert json.dumps(part["type"])[1:-1] in response.text
