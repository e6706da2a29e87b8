"""A stack of models behind another server: the really running gateway asks that server itself."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import yaml
from openai import OpenAI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.e2e.conftest import Stack, eventually, running
from tests.e2e.test_openai_client import SQL
from tests.gateway.stacks import on_loopback

pytestmark = [pytest.mark.serve, pytest.mark.chaos]  # it needs a stack of its own

EVENT = (
    b'data: {"choices": [{"index": 0, "delta": {"content": "far "}, "finish_reason": null}]}\n\n'
)


@dataclass
class Far:
    """A server that answers whole at once, and streams until its client leaves."""

    streams: int = 0
    models: list[str] = field(default_factory=list)

    def app(self) -> Starlette:
        answer = Route("/v1/chat/completions", self.answer, methods=["POST"])
        return Starlette(routes=[answer, Route("/v1/models", self.healthy)])

    async def healthy(self, request: Request) -> Response:
        return JSONResponse({"data": []})

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        self.models.append(body["model"])
        if body.get("stream"):
            return StreamingResponse(self.stream(), media_type="text/event-stream")
        message = {"role": "assistant", "content": f"{body['model']} is far away"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        return JSONResponse({"choices": [choice], "usage": usage})

    async def stream(self) -> AsyncIterator[bytes]:
        self.streams += 1
        try:
            while True:
                yield EVENT
                await asyncio.sleep(0.01)
        finally:
            self.streams -= 1


@dataclass
class Forwarding:
    """The stack, and the server that it asks."""

    stack: Stack
    far: Far

    def post(self, model: str) -> httpx.Response:
        url = f"{self.stack.url}/v1/chat/completions"
        return httpx.post(url, json=chat(model), timeout=60)

    def waiting(self) -> bool:
        """Whether a second request to `sql` has no first token yet."""
        text = httpx.get(f"{self.stack.url}/metrics", timeout=60).text
        return 'niche_requests_queued{model="sql"} 1.0' in text


def chat(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": SQL}], **more}


@pytest.fixture(scope="module")
def forwarding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forwarding]:
    far, folder = Far(), tmp_path_factory.mktemp("upstreams")
    with on_loopback(far.app()) as url:
        model = {"engine": "openai", "engine_options": {"base_url": f"{url}/v1"}}
        one = {"max_ongoing_requests": 1, "max_queued_requests": 1}
        config = {
            "generalist": model | {"name": "generalist", "model": "large"},
            "specialists": [model | {"name": "sql", "domain": "sql", "model": "s", "limits": one}],
            "gateway": {"replicas": 1},
        }
        (folder / "niche.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        with running(folder / "niche.yaml") as stack:
            yield Forwarding(stack, far)


def test_the_gateway_is_the_only_replica(forwarding: Forwarding) -> None:
    """No process of the stack is a model's."""
    assert forwarding.stack.replicas() == ["gateway"]


def test_the_server_s_answer_is_the_answer(forwarding: Forwarding) -> None:
    """It is asked for its own name of the model, and its usage is what is counted."""
    with forwarding.stack.client() as client:
        raw = client.chat.completions.with_raw_response.create(**chat("auto"))

    assert raw.headers["x-niche-model"] == raw.parse().model == "sql"
    assert raw.parse().choices[0].message.content == "s is far away"
    assert raw.parse().usage.total_tokens == 7


def test_a_client_that_leaves_ends_the_server_s_stream(forwarding: Forwarding) -> None:
    """Its slot is free for the next, which streams at once."""
    for _ in range(3):
        with OpenAI(base_url=f"{forwarding.stack.url}/v1", api_key="none") as client:
            stream = client.chat.completions.create(**chat("sql", stream=True))
            assert next(stream).choices[0].delta.content == "far "
            assert forwarding.far.streams == 1
            stream.close()
        assert eventually(lambda: forwarding.far.streams == 0)


def test_a_full_queue_is_passed_over(forwarding: Forwarding) -> None:
    """One is answered, one waits, and the third goes to the generalist; the second is answered when
    the first has ended."""
    url, body = f"{forwarding.stack.url}/v1/chat/completions", chat("sql", stream=True)
    with ThreadPoolExecutor(1) as pool:
        with httpx.stream("POST", url, json=body, timeout=60) as first:
            lines = first.iter_lines()  # httpx hangs up when nothing holds this any more
            next(lines)
            second = pool.submit(forwarding.post, "sql")
            assert eventually(forwarding.waiting)

            third = forwarding.post("auto")

            facts = [third.headers[f"x-niche-{name}"] for name in ("model", "reason")]
            assert facts == ["generalist", "overloaded"]
            assert not second.done()
        assert second.result(timeout=60).json()["model"] == "sql"
