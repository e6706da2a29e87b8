"""A server on the loopback device that answers byte for byte as a test tells it to."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import uvicorn

from deployments.engine import EngineContext, create_engine
from deployments.protocol import ModelRequest
from deployments.spec import ModelSpec

CONTEXT = EngineContext(Path("unused"))
HELLO = ({"role": "user", "content": "hello"},)
USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 4},
}
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
END = b"0\r\n\r\n"


class Upstream:
    """A server whose answer each test writes; it notes what it was asked and who went away."""

    def __init__(self):
        self.bodies, self.headers, self.paths, self.clients = [], [], [], []
        self.healthy, self.health_seconds = True, 0.0
        self.asked, self.left = asyncio.Event(), asyncio.Event()
        self.answers("no answer was set", 500)
        self._tasks = set()

    def answers(self, body, status=200, **headers):
        """One whole answer: a text, bytes, or what becomes JSON."""
        self.sends(response(body, status, **headers))

    def streams(self, *pieces):
        """Events, or bytes; each is a packet of its own."""

        async def body():
            for piece in pieces:
                yield piece if isinstance(piece, bytes) else event(piece)
                await asyncio.sleep(0.001)

        self.streams_from(body)

    def streams_for_ever(self, piece):
        async def body():
            while True:
                yield event(piece)
                await asyncio.sleep(0.005)

        self.streams_from(body)

    def streams_from(self, body):
        """The body of a generator, in chunks."""

        async def pieces():
            yield CHUNKED
            async for piece in body():
                yield b"%x\r\n%b\r\n" % (len(piece), piece)
            yield END

        self._pieces, self._closes = pieces, False

    def sends(self, *raw, closes=False):
        """These bytes, headers and all; then the connection is closed, or kept."""

        async def pieces():
            for piece in raw:
                yield piece

        self._pieces, self._closes = pieces, closes

    def pours(self, head, piece):
        """The same piece again and again, without an end."""

        async def pieces():
            yield head
            while True:
                yield piece

        self._pieces, self._closes = pieces, True

    def hangs_up(self, times):
        """Closes the connection instead of the next answers; those after them are as before."""
        answer, left = self._pieces, iter(range(times - 1))

        async def pieces():
            if next(left, None) is None:
                self._pieces = answer
            raise ConnectionResetError
            yield

        self._pieces = pieces

    def goes_silent(self, *raw):
        """The same, and then nothing, on an open connection."""

        async def pieces():
            yield b"".join(raw)
            await asyncio.sleep(3600)

        self._pieces, self._closes = pieces, False

    @asynccontextmanager
    async def listening(self):
        """Yields the port."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            # asyncio logs a handler's task that ends by being cancelled.
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while await self._answer(reader, writer):
                    pass
        finally:
            writer.close()

    async def _answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in head)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if method == "GET":
            await asyncio.sleep(self.health_seconds)
            writer.write(response({"data": []}, 200 if self.healthy else 503))
            return True
        self.paths.append(path)
        self.clients.append(writer.get_extra_info("peername"))
        self.headers.append(headers)
        self.bodies.append(json.loads(body))
        self.asked.set()
        await self._write(reader, writer)
        return not self._closes

    async def _write(self, reader, writer):
        gone = asyncio.create_task(self._watch(reader))
        try:
            async for piece in self._pieces():
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            self.left.set()
            raise
        finally:
            gone.cancel()

    async def _watch(self, reader):
        """Notes a client that leaves before its answer has ended."""
        while not reader.at_eof():  # noqa: ASYNC110 - a reader has no event for its end
            await asyncio.sleep(0.002)
        self.left.set()


@asynccontextmanager
async def serving(app):
    """An ASGI application on a port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        task = asyncio.create_task(server.serve([listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn offers a flag, no event
            await asyncio.sleep(0.005)
        yield listener.getsockname()[1]
        server.should_exit = server.force_exit = True
        await task


@asynccontextmanager
async def connected(upstream, system_prompt=None, adapter=None, **options):
    """An engine in front of a server."""
    async with upstream.listening() as port:
        base_url = f"http://127.0.0.1:{port}/v1/"
        given = spec(system_prompt, adapter, base_url=base_url, **options)
        engine = create_engine([given], CONTEXT)
        await engine.start()
        try:
            yield engine
        finally:
            await engine.stop()


def spec(system_prompt=None, adapter=None, **options):
    return ModelSpec(
        name="remote",
        model="org/model",
        adapter=adapter,
        engine="openai",
        engine_options=options,
        system_prompt=system_prompt,
    )


def response(body, status=200, **headers):
    """A whole HTTP response; underscores in names of headers are hyphens."""
    if not isinstance(body, (str, bytes)):
        body = json.dumps(body, separators=(",", ":"))
    data = body if isinstance(body, bytes) else body.encode()
    fields = {"content_length": len(data)} | headers
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""]).encode() + data


def event(data) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def delta(content=None, finish=None, **more):
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish, **more}
    return {"choices": [choice], "usage": None}


def request(deadline_seconds=None, operation="chat", trace=(), **body):
    """A request to the model; a chat that says hello, unless the body says something else."""
    default = {"messages": HELLO} if operation == "chat" else {"prompt": "hello"}
    return ModelRequest(
        "r1",
        "remote",
        operation,
        json.dumps(default | body).encode(),
        stream=True,
        response_id="answer-1",
        created=17,
        deadline_seconds=deadline_seconds,
        trace=trace,
    )


async def ask(engine, asked=None):
    return [chunk async for chunk in engine.stream(asked or request())]


def fields_of(chunks):
    return [json.loads(chunk.data) for chunk in chunks]


def text_of(chunks, index=0):
    """What one choice says, in events or in a whole answer."""
    parts = []
    for choice in (choice for fields in fields_of(chunks) for choice in fields["choices"]):
        if choice["index"] == index:
            said = choice.get("delta", choice.get("message"))
            parts.append(choice["text"] if said is None else said.get("content"))
    return "".join(part for part in parts if isinstance(part, str))


WHOLE = (
    {"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]},
    delta("Hel"),
    delta("lo"),
    delta(finish="length"),
    {"choices": [], "usage": USAGE},
    b"data: [DONE]\n\n",
)
