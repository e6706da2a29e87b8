"""`deployments.text_answers`: pieces of text as OpenAI's objects, in both dialects."""

import json
import math
from typing import Any

import pytest

from deployments.generation import Piece, TokenLogprob
from deployments.protocol import Usage
from deployments.text_answers import LOWEST_LOGPROB, Renderer, renderer_for
from tests.model_requests import chat, completion

USAGE = Usage(prompt_tokens=7, completion_tokens=3, cached_tokens=2, engine_seconds=0.5)
USAGE_BODY = {
    "prompt_tokens": 7,
    "completion_tokens": 3,
    "total_tokens": 10,
    "prompt_tokens_details": {"cached_tokens": 2},
}
SCORED = Piece("h\u00e9", 1, logprobs=(TokenLogprob("h\u00e9", -0.5, (("x", -1.5),)),))


def renderer(dialect: str, *, logprobs: bool = False, include_usage: bool = False) -> Renderer:
    request = {"chat": chat, "completion": completion}[dialect]()
    return renderer_for(request, logprobs=logprobs, include_usage=include_usage)


def events(rendered: Renderer, *pieces: Piece, index: int = 0) -> list[Any]:
    return [json.loads(rendered.event(index, piece)) for piece in pieces]


@pytest.mark.parametrize(
    ("dialect", "identity", "kind"),
    [("chat", "chatcmpl-1", "chat.completion.chunk"), ("completion", "cmpl-1", "text_completion")],
)
def test_events_carry_the_requests_names(dialect, identity, kind):
    """Id, time and model are the request's; there is no usage that nobody asked for."""
    [event] = events(renderer(dialect), Piece("hello", 1))

    assert (event.pop("choices")[0]["index"], event) == (
        0,
        {"id": identity, "object": kind, "created": 1_700_000_000, "model": "tiny"},
    )


def test_the_role_comes_with_a_choices_first_piece():
    """Each choice's first delta has role and content, the later ones what is new."""
    rendered = renderer("chat")
    pieces = (Piece("", 1), Piece("b", 1), Piece("", finish_reason="stop"))

    for index in (0, 1):
        deltas = [e["choices"][0]["delta"] for e in events(rendered, *pieces, index=index)]
        assert deltas == [{"role": "assistant", "content": ""}, {"content": "b"}, {}]


@pytest.mark.parametrize("dialect", ["chat", "completion"])
def test_the_last_piece_has_the_finish_reason(dialect):
    """The others say null."""
    made = events(renderer(dialect), Piece("a", 1), Piece("b", 1, "length"))

    assert [event["choices"][0]["finish_reason"] for event in made] == [None, "length"]


@pytest.mark.parametrize("dialect", ["chat", "completion"])
def test_usage_that_is_asked_for_comes_at_the_end(dialect):
    """Events before it have a null, and the usage event has no choices."""
    rendered = renderer(dialect, include_usage=True)

    assert events(rendered, Piece("a", 1))[0]["usage"] is None
    last = json.loads(rendered.usage_event(USAGE))
    assert (last["choices"], last["usage"]) == ([], USAGE_BODY)


def test_a_whole_chat():
    """Every choice with its message, and the usage."""
    pieces = [Piece("a", 1, "stop"), Piece("b", 1, "length")]

    body = json.loads(renderer("chat").body(pieces, USAGE))

    assert (body["object"], body["usage"]) == ("chat.completion", USAGE_BODY)
    assert [
        (choice["index"], choice["message"], choice["finish_reason"], choice["logprobs"])
        for choice in body["choices"]
    ] == [
        (0, {"role": "assistant", "content": "a", "refusal": None}, "stop", None),
        (1, {"role": "assistant", "content": "b", "refusal": None}, "length", None),
    ]


def test_a_whole_completion():
    """Every choice with its text, and the usage."""
    body = json.loads(renderer("completion").body([Piece("a", 1, "stop")], USAGE))

    assert (body["object"], body["usage"]) == ("text_completion", USAGE_BODY)
    assert body["choices"] == [{"index": 0, "text": "a", "finish_reason": "stop", "logprobs": None}]


def test_logprobs_of_a_chat():
    """Tokens with their bytes and alternatives, in events and in the whole answer."""
    rendered = renderer("chat", logprobs=True)
    token = {
        "token": "h\u00e9",
        "logprob": -0.5,
        "bytes": list("h\u00e9".encode()),
        "top_logprobs": [{"token": "x", "logprob": -1.5, "bytes": [120]}],
    }

    wanted = {"content": [token], "refusal": None}
    assert events(rendered, SCORED)[0]["choices"][0]["logprobs"] == wanted
    body = json.loads(rendered.body([SCORED], USAGE))
    assert body["choices"][0]["logprobs"] == wanted


def test_a_part_of_a_character_has_no_bytes():
    """Its text, a replacement character, does not tell them."""
    piece = Piece("", 1, logprobs=(TokenLogprob("\ufffd", -0.5),))

    [event] = events(renderer("chat", logprobs=True), piece)

    assert event["choices"][0]["logprobs"]["content"][0]["bytes"] is None


def test_logprobs_of_a_completion_are_parallel_lists():
    """The offsets run on over a choice's pieces, and start anew in another choice."""
    rendered = renderer("completion", logprobs=True)

    first, second = events(rendered, SCORED, SCORED)
    [other] = events(rendered, SCORED, index=1)

    assert first["choices"][0]["logprobs"] == {
        "tokens": ["h\u00e9"],
        "token_logprobs": [-0.5],
        "top_logprobs": [{"x": -1.5}],
        "text_offset": [0],
    }
    assert second["choices"][0]["logprobs"]["text_offset"] == [2]
    assert other["choices"][0]["logprobs"]["text_offset"] == [0]


def test_an_impossible_token_has_a_number():
    """JSON has no minus infinity."""
    piece = Piece("x", 1, logprobs=(TokenLogprob("x", -math.inf, (("y", -math.inf),)),))

    [said] = events(renderer("chat", logprobs=True), piece)
    [token] = said["choices"][0]["logprobs"]["content"]
    [text] = events(renderer("completion", logprobs=True), piece)

    assert (token["logprob"], token["top_logprobs"][0]["logprob"]) == (LOWEST_LOGPROB,) * 2
    assert text["choices"][0]["logprobs"]["token_logprobs"] == [LOWEST_LOGPROB]
    assert text["choices"][0]["logprobs"]["top_logprobs"] == [{"y": LOWEST_LOGPROB}]
