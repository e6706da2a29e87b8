"""The llama engine and prompts for which it has no room at all."""

from dataclasses import replace
from pathlib import Path

import pytest

from deployments.protocol import INPUTS, ModelRequest, PromptTooLong
from deployments.spec import ModelSpec
from tests.deployments.engines.running import running
from tests.deployments.tiny_gguf import save_tiny_gguf
from tests.model_requests import chat, completion

CONTEXT = 256
LONG = chat("word " * 760_000)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(LONG, id="chat"),
        pytest.param(completion(["short", "7" * 3_800_000]), id="completion"),
        pytest.param(replace(LONG, operation="count_tokens"), id="counting its tokens"),
    ],
)
async def test_what_cannot_fit_is_refused_before_it_is_encoded(
    tmp_path: Path, asked: ModelRequest
) -> None:
    """It never counts as work; and the replica tells others what cannot fit."""
    spec = ModelSpec(
        name="tiny",
        model=str(save_tiny_gguf(tmp_path / "tiny.gguf")),
        engine="llama",
        engine_options={"parallel_requests": 1, "max_context_tokens": CONTEXT},
    )
    async with running(tmp_path, spec) as engine:
        with pytest.raises(PromptTooLong) as refused:
            await engine.complete(asked)
        load = await engine.load("tiny")

    assert refused.value.parameter == INPUTS[asked.operation]
    assert asked.request_id not in load.recent_tokens
    assert load.room is not None
    assert load.room.context_tokens == CONTEXT
