"""vLLM's events as OpenAI's; needs no vLLM."""

import msgspec
import pytest

from deployments.engines._vllm_answers import without_end_token


def event(*, reason: str | None, logprobs: object, stop_reason: object = None) -> bytes:
    choice = {
        "index": 0,
        "delta": {"content": "b"},
        "logprobs": logprobs,
        "finish_reason": reason,
        "stop_reason": stop_reason,
    }
    return b"data: " + msgspec.json.encode({"id": "1", "choices": [choice]}) + b"\n\n"


CHAT = {"content": [{"token": "b", "logprob": -1.0}, {"token": "<end>", "logprob": -0.1}]}
TEXT = {
    "text_offset": [0, 1],
    "tokens": ["b", "<end>"],
    "token_logprobs": [-1.0, -0.1],
    "top_logprobs": [{}, {}],
}


@pytest.mark.parametrize("logprobs", [CHAT, TEXT], ids=["chat", "completion"])
def test_the_token_that_ends_an_answer_has_no_log_probability(logprobs) -> None:
    """As it has no text."""
    found = without_end_token(event(reason="stop", logprobs=logprobs))
    choice = msgspec.json.decode(found.removeprefix(b"data: "))["choices"][0]

    assert choice["logprobs"] == {key: items[:1] for key, items in logprobs.items()}
    assert found.endswith(b"\n\n")


@pytest.mark.parametrize(
    "unchanged",
    [
        event(reason="length", logprobs=CHAT),
        event(reason="stop", logprobs=CHAT, stop_reason="###"),
        event(reason="stop", logprobs=None),
        event(reason=None, logprobs=CHAT),
        b"data: [DONE]\n\n",
    ],
    ids=["cut", "stop string", "not asked", "goes on", "done"],
)
def test_everything_else_stays_as_it_is(unchanged: bytes) -> None:
    """What has a text keeps its log-probability."""
    found = without_end_token(unchanged)

    assert found == unchanged
