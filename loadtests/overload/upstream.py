"""An OpenAI-compatible server that answers so many requests at once, each in so many seconds.

    python -m loadtests.overload.upstream --port 9009 --slots 4 --seconds 1

Further requests wait, in the order of arrival and without end; who hangs up leaves.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web

_TOKENS = 16
_KNOWN = {"id": "chatcmpl-overload", "created": 1, "model": "bench"}


class Upstream:
    """The server.

    Args:
        slots: the most requests at once.
        seconds: of an answer.
    """

    def __init__(self, slots: int, seconds: float) -> None:
        self._slots, self._pace = asyncio.Semaphore(slots), seconds / _TOKENS

    def app(self) -> web.Application:
        """The application."""
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_get("/v1/models", self._models)
        return app

    async def _models(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"object": "list", "data": [{"id": "bench", "object": "model"}]})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        async with self._slots:
            return await (self._stream(request) if asked.get("stream") else self._whole())

    async def _whole(self) -> web.Response:
        await asyncio.sleep(_TOKENS * self._pace)
        message = {"role": "assistant", "content": " ".join(["word"] * _TOKENS)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 8, "completion_tokens": _TOKENS, "total_tokens": 8 + _TOKENS}
        fields = {"object": "chat.completion", "choices": [choice], "usage": usage}
        return web.json_response(_KNOWN | fields)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for index in range(_TOKENS):
            await asyncio.sleep(self._pace)
            delta = {"content": " word"} | ({} if index else {"role": "assistant"})
            await response.write(_event(delta))
        await response.write(_event({}, "stop") + b"data: [DONE]\n\n")
        return response


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": finish}
    fields = _KNOWN | {"object": "chat.completion.chunk", "choices": [choice]}
    return f"data: {json.dumps(fields)}\n\n".encode()


async def _serve(port: int, upstream: Upstream) -> None:
    runner = web.AppRunner(upstream.app(), access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    await asyncio.Event().wait()


def main(argv: Sequence[str] | None = None) -> None:
    """Serves on the loopback device until it is ended."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.overload.upstream", description=__doc__
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args(argv)
    asyncio.run(_serve(given.port, Upstream(given.slots, given.seconds)))


if __name__ == "__main__":
    main()
