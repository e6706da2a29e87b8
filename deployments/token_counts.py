"""How many tokens a chat's prompt has: the answer to `ModelRequest`s that ask for nothing else."""

from dataclasses import replace

import msgspec

from deployments.protocol import Chunk, ModelRequest, Usage


def as_chat(request: ModelRequest) -> ModelRequest:
    """The request for the answer to the same prompt."""
    return replace(request, operation="chat")


def counted(prompt_tokens: int) -> Chunk:
    """The answer. Its usage is nothing, since nobody is to pay for it."""
    data = msgspec.json.encode({"input_tokens": prompt_tokens})
    return Chunk(data, output=False, prompt_tokens=prompt_tokens, usage=Usage(0, 0))
