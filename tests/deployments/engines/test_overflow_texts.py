"""What servers say of a prompt that exceeds their context, as in `overflow_texts.json`: each has
its source, its status and its body, whole or as events.

Beside them are `others`: errors that mention tokens and lengths, and mean something else.
"""

import json
from pathlib import Path

import pytest

from deployments.protocol import BackendError, PromptTooLong
from tests.deployments.upstream import Upstream, ask, connected, request

CASES = json.loads(Path(__file__).with_name("overflow_texts.json").read_text(encoding="utf-8"))


async def failure(case, whole) -> BackendError:
    upstream = Upstream()
    upstream.answers(case["body"], case["status"])
    async with connected(upstream) as engine:
        with pytest.raises(BackendError) as caught:
            await (engine.complete(request()) if whole else ask(engine))
    return caught.value


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", CASES["too_long"], ids=lambda case: case["server"])
async def test_a_prompt_that_is_too_long_is_told_apart(case, whole):
    """Another model may have a longer context; the client hears nothing of the server's words."""
    error = await failure(case, whole)

    assert isinstance(error, PromptTooLong)
    assert error.parameter.startswith("messages")
    assert error.detail
    assert error.detail not in error.reason


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", CASES["others"], ids=lambda case: case["server"])
async def test_other_errors_that_mention_tokens_mean_what_they_say(case, whole):
    """A limit on tokens per minute, or on the answer, is none of the prompt's length."""
    assert type(await failure(case, whole)).__name__ == case["error"]
