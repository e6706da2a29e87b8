"""How many tokens a prompt has, from llama.cpp's server: it says so before it reads the prompt."""

from collections.abc import Callable
from dataclasses import replace

from deployments.engines._llama_answers import Said
from deployments.protocol import Usage


def until_counted(read: Callable[[bytes], Said]) -> Callable[[bytes], Said]:
    """Reads events up to the first that knows the prompt's tokens; its usage ends the request."""

    def read_count(data: bytes) -> Said:
        said = read(data)
        if said.prompt_tokens is None:
            return said
        return replace(said, usage=Usage(said.prompt_tokens, 0))

    return read_count
