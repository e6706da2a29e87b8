"""`generate` of transformers behind HTTP, one answer after the other, to compare engines with.

python -m loadtests.bench.raw_transformers --model FOLDER --port 9100
"""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

import torch
from aiohttp import web
from transformers import AsyncTextIteratorStreamer, AutoModelForCausalLM, AutoTokenizer


def application(folder: Path) -> web.Application:
    """A server of the model in a folder: greedy answers to chats, streamed."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    turn = asyncio.Lock()

    async def answer(request: web.Request) -> web.StreamResponse:
        body, response = await request.json(), web.StreamResponse()
        await response.prepare(request)
        inputs = tokenizer.apply_chat_template(
            body["messages"], add_generation_prompt=True, return_dict=True, return_tensors="pt"
        )
        prompt, limit = inputs["input_ids"], body["max_tokens"]
        async with turn:
            words = AsyncTextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
            settings = {"max_new_tokens": limit, "do_sample": False, "streamer": words}
            done = asyncio.create_task(asyncio.to_thread(model.generate, prompt, **settings))
            async for text in words:
                await response.write(_event([{"delta": {"content": text}}]))
            tokens = (await done).shape[1] - prompt.shape[1]
        await response.write(_event([], usage={"completion_tokens": tokens}))
        return response

    async def health(_request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    app.router.add_get("/health", health)
    return app


def _event(choices: list[dict[str, Any]], **more: Any) -> bytes:
    return f"data: {json.dumps({'choices': choices, **more})}\n\n".encode()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a transformers directory")
    parser.add_argument("--port", type=int, required=True, help="of the loopback device")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # as a replica has
    web.run_app(application(arguments.model), host="127.0.0.1", port=arguments.port, print=None)
