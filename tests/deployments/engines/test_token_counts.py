"""How many tokens a prompt has, by each engine that says it."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.engine import Engine
from deployments.engines._llama_answers import Said
from deployments.engines._llama_counting import until_counted
from deployments.protocol import Chunk, InvalidPrompt, ModelRequest, PromptTooLong, Usage
from deployments.spec import ModelSpec
from tests.deployments.engines.running import once, running
from tests.deployments.tiny_gguf import save_tiny_gguf
from tests.model_requests import chat

CONTEXT = 1024
OPTIONS = {"parallel_requests": 1, "max_context_tokens": CONTEXT, "max_batch_tokens": 32}

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one engine serves all tests


@once
async def llama(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    folder = tmp_path_factory.mktemp("gguf")
    model = save_tiny_gguf(folder / "tiny.gguf", context=CONTEXT)
    spec = ModelSpec(name="tiny", model=str(model), engine="llama", engine_options=OPTIONS)
    async with running(folder, spec) as engine:
        yield engine


async def count(engine: Engine, request: ModelRequest) -> Chunk:
    return await engine.complete(replace(request, operation="count_tokens"))


async def test_a_count_is_that_of_the_answer(llama: Engine) -> None:
    """With the template and the system's message, as the model reads them."""
    said = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello " * 20}]
    request = chat(messages=said, max_tokens=1)

    counted, answer = await count(llama, request), await llama.complete(request)

    assert answer.usage is not None
    assert json.loads(counted.data) == {"input_tokens": answer.usage.prompt_tokens}
    assert counted.prompt_tokens == answer.usage.prompt_tokens
    assert counted.usage == Usage(0, 0)


async def test_a_count_does_not_wait_for_the_prompt_to_be_read() -> None:
    """The server says how long the prompt is before it reads it: with that the request ends."""
    read = until_counted(lambda data: Said({}, prompt_tokens=int(data) if data else None))

    assert read(b"").usage is None
    assert read(b"900").usage == Usage(900, 0)


async def test_a_text_engine_counts_with_its_answer() -> None:
    """The fake one counts words."""
    spec = ModelSpec(name="tiny", model="none", engine="fake")
    async with running(Path("unused"), spec) as fake:
        counted = await count(fake, chat("one two three"))

    assert json.loads(counted.data) == {"input_tokens": 3}


async def test_a_server_elsewhere_is_not_asked() -> None:
    """OpenAI's API has no question for it: the error names the model."""
    options = {"base_url": "http://127.0.0.1:9/v1"}
    spec = ModelSpec(name="tiny", model="m", engine="openai", engine_options=options)
    async with running(Path("unused"), spec) as upstream:
        with pytest.raises(InvalidPrompt) as refused:
            await count(upstream, chat())

    assert refused.value.parameter == "model"


async def test_a_prompt_without_room_is_too_long(llama: Engine) -> None:
    """As it is for an answer: another model may have to give it, and so to count. The error has the
    count for the case that none has room."""
    with pytest.raises(PromptTooLong) as refused:
        await count(llama, chat("b" * 2 * CONTEXT))

    assert refused.value.prompt_tokens is not None
    assert refused.value.prompt_tokens > CONTEXT


async def test_what_an_answer_could_surely_not_fit_is_counted(llama: Engine) -> None:
    """Though nothing of it would be encoded for an answer."""
    said = chat("hello " * 2 * CONTEXT)
    with pytest.raises(PromptTooLong) as for_an_answer:
        await llama.complete(said)
    with pytest.raises(PromptTooLong) as for_a_count:
        await count(llama, said)

    assert for_an_answer.value.prompt_tokens is None
    assert for_a_count.value.prompt_tokens is not None
