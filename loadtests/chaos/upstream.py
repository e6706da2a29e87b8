"""A model server that answers slowly enough to die in the middle: a token each 50 ms.

python -m loadtests.chaos.upstream --port 9009
"""

import argparse
import asyncio
import json
from contextlib import suppress
from typing import Any

from aiohttp import web

TOKEN_SECONDS = 0.05
_KNOWN = {"id": "chatcmpl-chaos", "created": 1, "model": "bench"}


async def chat(request: web.Request) -> web.StreamResponse:
    """One answer, streamed or whole."""
    asked = await request.json()
    tokens = int(asked.get("max_tokens") or 16)
    if not asked.get("stream"):
        await asyncio.sleep(tokens * TOKEN_SECONDS)
        message = {"role": "assistant", "content": " ".join(["word"] * tokens)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 8, "completion_tokens": tokens, "total_tokens": 8 + tokens}
        return web.json_response(
            {**_KNOWN, "object": "chat.completion", "choices": [choice], "usage": usage}
        )
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for number in range(tokens):
        await asyncio.sleep(TOKEN_SECONDS)
        last = number == tokens - 1
        choice = {
            "index": 0,
            "delta": {"role": "assistant", "content": "word "},
            "finish_reason": "stop" if last else None,
        }
        fields: dict[str, Any] = {**_KNOWN, "object": "chat.completion.chunk", "choices": [choice]}
        with suppress(ConnectionError):  # the client has left
            await response.write(f"data: {json.dumps(fields)}\n\n".encode())
    with suppress(ConnectionError):
        await response.write(b"data: [DONE]\n\n")
    return response


async def models(_: web.Request) -> web.Response:
    """The list, for those that wait until it is up."""
    return web.json_response({"object": "list", "data": [{"id": "bench", "object": "model"}]})


def main() -> None:
    """Serves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    app = web.Application()
    app.add_routes([web.post("/v1/chat/completions", chat), web.get("/v1/models", models)])
    web.run_app(app, host="127.0.0.1", port=parser.parse_args().port, print=None)


if __name__ == "__main__":
    main()
