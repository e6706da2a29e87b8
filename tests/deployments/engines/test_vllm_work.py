"""Which part of a pass an answer had; needs no vLLM."""

import json

import pytest

from deployments.engines._vllm_work import WorkedTokens


def event(said: str = "a", tokens: int = 1, index: int = 0) -> bytes:
    choice = {"index": index, "delta": {"content": said}}
    usage = {"prompt_tokens": 90, "completion_tokens": tokens, "total_tokens": 90 + tokens}
    text = json.dumps({"choices": [choice], "usage": usage}, separators=(",", ":"))
    return f"data: {text}\n\n".encode()


def parts(*events: bytes) -> list[int]:
    worked = WorkedTokens()
    return [worked.of(each) for each in events]


def test_the_prompt_belongs_to_the_first_event() -> None:
    """And each further one has its own tokens, of which there may be several."""
    assert parts(event(tokens=0), event(tokens=1), event(tokens=4)) == [90, 1, 3]


def test_choices_are_counted_apart() -> None:
    assert parts(event(index=0), event(index=1), event(index=0, tokens=3)) == [91, 1, 2]


@pytest.mark.parametrize("said", ['"completion_tokens":70', '"index":5,"prompt_tokens":7'])
def test_what_a_model_says_is_no_count(said: str) -> None:
    assert parts(event(said), event(said, tokens=2)) == [91, 1]


def test_an_event_without_a_usage_is_a_token() -> None:
    """As the last one, which ends the stream."""
    assert parts(event(), b"data: [DONE]\n\n") == [91, 1]
