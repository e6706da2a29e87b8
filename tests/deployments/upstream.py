"""A server on the loopback device that speaks the OpenAI API as a test tells it to."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from deployments.engine import EngineContext, create_engine
from deployments.protocol import Message, Prompt, Sampling
from deployments.spec import ModelSpec

CONTEXT = EngineContext(Path("unused"))
HELLO = (Message("user", "hello"),)
USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 4},
}


class Upstream:
    """A server whose answer each test writes; it notes what it was asked and who went away."""

    def __init__(self):
        self.bodies, self.headers, self.paths, self.clients = [], [], [], []
        self.healthy, self.health_seconds = True, 0.0
        self.response = PlainTextResponse("no answer was set", 500)
        self.asked, self.left = asyncio.Event(), asyncio.Event()

    def app(self):
        routes = [
            Route("/v1/models", self._models),
            Route("/v1/{path:path}", self._answer, methods=["POST"]),
        ]
        return Starlette(routes=routes)

    def streams(self, *pieces):
        async def body():
            for piece in pieces:
                yield piece if isinstance(piece, bytes) else event(piece)
                await asyncio.sleep(0.001)  # so that each piece is a packet of its own

        self.response = StreamingResponse(body(), media_type="text/event-stream")

    def streams_for_ever(self, piece):
        async def body():
            try:
                while True:
                    yield event(piece)
                    await asyncio.sleep(0.005)
            finally:
                self.left.set()

        self.response = StreamingResponse(body(), media_type="text/event-stream")

    async def _models(self, request):
        await asyncio.sleep(self.health_seconds)
        return JSONResponse({"data": []}, 200 if self.healthy else 503)

    async def _answer(self, request):
        self.paths.append(request.url.path)
        self.clients.append(request.client)
        self.headers.append(request.headers)
        self.bodies.append(await request.json())
        self.asked.set()
        return self.response


@asynccontextmanager
async def serving(app):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        task = asyncio.create_task(server.serve([listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn offers a flag, no event
            await asyncio.sleep(0.005)
        yield listener.getsockname()[1]
        server.should_exit = server.force_exit = True
        await task


@asynccontextmanager
async def connected(upstream, system_prompt=None, **options):
    async with serving(upstream.app()) as port:
        engine = create_engine(
            spec(system_prompt, base_url=f"http://127.0.0.1:{port}/v1/", **options), CONTEXT
        )
        await engine.start()
        try:
            yield engine
        finally:
            await engine.stop()


def spec(system_prompt=None, **options):
    return ModelSpec(
        name="remote",
        model="org/model",
        engine="openai",
        engine_options=options,
        system_prompt=system_prompt,
    )


def event(data) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def delta(content=None, finish=None, **more):
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish, **more}
    return {"choices": [choice], "usage": None}


def prompt(messages=HELLO, deadline_seconds=None, **sampling):
    return Prompt("r1", messages, sampling=Sampling(**sampling), deadline_seconds=deadline_seconds)


async def ask(engine, asked=None):
    return [chunk async for chunk in engine.stream(asked or prompt())]


WHOLE = (
    {"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]},
    delta("Hel"),
    delta("lo"),
    delta(finish="length"),
    {"choices": [], "usage": USAGE},
    b"data: [DONE]\n\n",
)
