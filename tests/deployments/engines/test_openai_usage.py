"""What an upstream says that it used, and what is counted."""

import json

import pytest

from deployments.engines._openai_answers import StreamedAnswer, WholeAnswer
from deployments.engines._openai_requests import RequestBuilder
from tests.deployments.upstream import delta, event, request

MOST = 8192
"""The tokens that a template may add."""


def answered(usage, asked=None, *, streamed=True, choices=1):
    """The last chunk of an answer of two tokens for each choice, with the server's usage."""
    asked = asked or request(max_tokens=5)
    body, wanted = RequestBuilder("m", None, {}).build(asked, stream=streamed)
    if not streamed:
        whole = WholeAnswer(asked, wanted)
        message = {"message": {"content": "123456"}, "finish_reason": "stop"}
        answer = {"choices": [{"index": at, **message} for at in range(choices)], "usage": usage}
        whole.feed(json.dumps(answer).encode())
        return whole.end(1.0), len(body)
    reading = StreamedAnswer(asked, wanted)
    pieces = [delta(text, index=at) for at in range(choices) for text in ("Hel", "lo")]
    ends = [delta(finish="stop", index=at) for at in range(choices)]
    for piece in (*pieces, *ends, {"choices": [], "usage": usage}):
        list(reading.feed(event(piece)))
    return [*reading.feed(b"data: [DONE]\n\n"), *reading.end(1.0)][-1], len(body)


BOTH = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])


@BOTH
@pytest.mark.parametrize(
    ("usage", "counts", "faults"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}, (7, 5, 0), ()),
        ({"prompt_tokens": 7.0, "completion_tokens": 5.0}, (7, 5, 0), ()),
        ({"prompt_tokens": 7}, (7, 2, 0), ()),
        ({}, (0, 2, 0), ()),
        (None, (0, 2, 0), ()),
        ("12", (0, 2, 0), ()),
        ({"prompt_tokens": -7, "completion_tokens": -5}, (0, 2, 0), ("invalid",)),
        ({"prompt_tokens": "7", "completion_tokens": True}, (0, 2, 0), ("invalid",)),
        ({"prompt_tokens": 7.5, "completion_tokens": 5}, (0, 5, 0), ("invalid",)),
        ({"prompt_tokens": 2**70, "completion_tokens": 5}, (0, 5, 0), ("invalid",)),
        ({"prompt_tokens": 7, "completion_tokens": 6}, (7, 5, 0), ("too_many",)),
        ({"prompt_tokens": 7, "completion_tokens": 10**12}, (7, 5, 0), ("too_many",)),
        (
            {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 99},
            (7, 5, 0),
            ("contradictory",),
        ),
        (
            {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 3},
            (7, 5, 0),
            ("contradictory",),
        ),
        (
            {
                "prompt_tokens": 7,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 8},
            },
            (7, 5, 7),
            ("contradictory",),
        ),
        (
            {
                "prompt_tokens": 7,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": -8},
            },
            (7, 5, 0),
            ("invalid",),
        ),
    ],
    ids=[
        *("right", "whole numbers", "no answer", "nothing", "null", "no object"),
        *("negative", "no numbers", "half a token", "too large a number"),
        *("one too many", "absurd", "another sum", "a lower sum"),
        *("more cached than there are", "a negative number cached"),
    ],
)
def test_what_cannot_be_is_not_counted(usage, counts, faults, streamed):
    """It is cut to what can be, or to what was seen, and is a fault."""
    chunk, _ = answered(usage, streamed=streamed)

    used = chunk.usage
    assert (used.prompt_tokens, used.completion_tokens, used.cached_tokens) == counts
    assert used.faults == faults


@BOTH
def test_a_client_sees_the_usage_that_is_counted(streamed):
    """Not the server's, where that cannot be; what else it says stays."""
    absurd = {
        "prompt_tokens": 7,
        "completion_tokens": 10**12,
        "total_tokens": -1,
        "prompt_tokens_details": {"cached_tokens": 10**12, "audio_tokens": 0},
        "cost": 1,
    }
    asked = request(max_tokens=5, stream_options={"include_usage": True})
    chunk, _ = answered(absurd, asked, streamed=streamed)

    assert json.loads(chunk.data)["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 7, "audio_tokens": 0},
        "cost": 1,
    }


@BOTH
@pytest.mark.parametrize(
    ("body", "choices", "most"),
    [
        ({"max_tokens": 5}, 1, 5),
        ({"max_completion_tokens": 5}, 1, 5),
        ({"max_tokens": 5, "max_completion_tokens": 7}, 1, 7),
        ({"max_tokens": 5, "n": 3}, 3, 15),
        ({}, 1, 2**20),
        ({"n": 2}, 2, 2**21),
    ],
    ids=["limit", "newer limit", "both", "three", "no limit", "two, no limit"],
)
def test_an_answer_has_no_more_tokens_than_its_limit_allows(body, choices, most, streamed):
    """For each of its choices."""
    told = {"prompt_tokens": 7, "completion_tokens": 2**40}
    chunk, _ = answered(told, request(**body), streamed=streamed, choices=choices)

    assert (chunk.usage.prompt_tokens, chunk.usage.completion_tokens) == (7, most)


@pytest.mark.parametrize(
    ("usage", "streamed", "tokens"),
    [(None, True, 2), (None, False, 1), ({"completion_tokens": 9}, True, 2)],
    ids=["seen", "estimated", "told"],
)
def test_what_came_counts_beyond_the_limit(usage, streamed, tokens):
    """A server that says more than it may, event by event, has said it; an estimate has not."""
    chunk, _ = answered(usage, request(max_tokens=1), streamed=streamed)

    assert chunk.usage.completion_tokens == tokens


def test_each_of_several_prompts_may_use_the_limit():
    """And each of its choices."""
    asked = request(operation="completion", prompt=["a", "b"], n=2, max_tokens=5)
    _, wanted = RequestBuilder("m", None, {}).build(asked, stream=False)

    assert wanted.bounds.completion_tokens == 20


@BOTH
def test_a_prompt_has_no_more_tokens_than_bytes(streamed):
    """And those that a template adds."""
    chunk, sent = answered({"prompt_tokens": 10**9, "completion_tokens": 5}, streamed=streamed)

    assert chunk.usage.prompt_tokens == sent + MOST
    assert chunk.usage.faults == ("too_many",)


def test_an_image_may_have_many_tokens():
    """However few bytes it has."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
    asked = request(messages=[{"role": "user", "content": [image]}])
    chunk, _ = answered({"prompt_tokens": 20_000, "completion_tokens": 5}, asked)

    assert (chunk.usage.prompt_tokens, chunk.usage.faults) == (20_000, ())


def test_counts_along_the_stream_are_cut_too():
    """What an answer that is cut off costs is their sum."""
    asked = request(max_tokens=5)
    _, wanted = RequestBuilder("m", None, {}).build(asked, stream=True)
    told = {"prompt_tokens": 7, "completion_tokens": 10**12}
    (chunk,) = StreamedAnswer(asked, wanted).feed(event(delta("a") | {"usage": told}))

    assert chunk.tokens == 5


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (
            {
                "prompt_tokens": 7,
                "completion_tokens": 3,
                "completion_tokens_details": {"reasoning_tokens": 2},
                "total_tokens": 10,
            },
            (7, 3, 0),
        ),
        (
            {
                "prompt_tokens": 7,
                "completion_tokens": 3,
                "completion_tokens_details": {"reasoning_tokens": 2},
                "total_tokens": 12,
            },
            (7, 5, 0),
        ),
        ({"prompt_tokens": 7, "completion_tokens": 3, "prompt_cache_hit_tokens": 4}, (7, 3, 4)),
        ({"prompt_tokens": 7, "completion_tokens": 3, "cache_read_input_tokens": 4}, (7, 3, 4)),
        ({"prompt_tokens": 7, "completion_tokens": 3, "cached_tokens": 4}, (7, 3, 4)),
    ],
    ids=["OpenAI", "xAI, reasoning apart", "DeepSeek", "Anthropic", "Moonshot"],
)
def test_servers_count_in_ways_of_their_own(usage, counts):
    """Reasoning is generated too, and a cached prompt has several names."""
    used = answered(usage)[0].usage

    assert (used.prompt_tokens, used.completion_tokens, used.cached_tokens) == counts
    assert used.faults == ()
