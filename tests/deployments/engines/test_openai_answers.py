"""The facts beside an answer's chunks, and which of them are held back."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.engines._openai_answers import StreamedAnswer, WholeAnswer
from deployments.engines._openai_requests import Wanted
from deployments.protocol import BackendError
from deployments.tool_call_ids import marked
from tests.deployments.upstream import USAGE, delta, event, fields_of, request, text_of

DONE = b"data: [DONE]\n\n"
ROLE = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
KEYS = [
    *("choices", "index", "delta", "message", "text", "content", "role", "tool_calls", "logprobs"),
    *("finish_reason", "usage", "completion_tokens", "error", "object", "code", "x_groq", "other"),
]
COUNTS = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


VALUES = st.recursive(
    st.sampled_from([None, True, 0, 1, -1, 1.5, 2**70, "", "a", "stop", [], {}]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=8,
)


def reading(**wanted) -> StreamedAnswer:
    return StreamedAnswer(request(), Wanted(**wanted))


def fed(answer: StreamedAnswer, *pieces) -> list[list]:
    """The chunks that come out after each piece, and those at the end."""
    pieces = [piece if isinstance(piece, bytes) else event(piece) for piece in pieces]
    return [*(list(answer.feed(piece)) for piece in pieces), list(answer.end(2.0, 0.5))]


def flat(steps) -> list:
    return [chunk for chunks in steps for chunk in chunks]


def counted(tokens, prompt=7):
    return {"prompt_tokens": prompt, "completion_tokens": tokens}


def test_what_is_said_goes_on_at_once():
    """Only the end waits, for the usage that belongs to it."""
    steps = fed(reading(), delta("a"), delta("b"), delta(finish="stop"), DONE)

    assert [len(chunks) for chunks in steps] == [1, 1, 0, 0, 1]
    assert steps[-1][0].finish_reasons == ((0, "stop"),)
    assert (steps[-1][0].usage.engine_seconds, steps[-1][0].usage.prefill_seconds) == (2.0, 0.5)


def test_the_end_waits_for_nothing_if_the_usage_is_wanted():
    """The usage has an event of its own."""
    steps = fed(reading(usage=True), delta("a"), delta(finish="stop"), DONE)

    assert [len(chunks) for chunks in steps] == [1, 1, 0, 1]
    assert fields_of(steps[-1])[0]["choices"] == []


def test_what_comes_before_the_first_word_waits_for_it():
    """So an error in between is one before the first chunk, and another model may answer."""
    steps = fed(reading(), {"choices": [], "filter": 1}, ROLE, delta("a", finish="stop"), DONE)

    assert [len(chunks) for chunks in steps] == [0, 0, 2, 0, 1]
    answer = reading()
    assert list(answer.feed(event(ROLE))) == []
    with pytest.raises(BackendError):
        list(answer.feed(event({"error": {"message": "out of memory"}})))


def test_what_waits_for_the_first_word_is_bounded():
    """A server may send roles for ever."""
    steps = fed(reading(), *[ROLE] * 100, delta("a", finish="stop"), DONE)

    assert max(len(chunks) for chunks in steps) == 16
    assert sum(len(chunks) for chunks in steps) == 101


def test_an_answer_without_a_word_is_whole():
    """It has its role, its end and its usage."""
    (*_, chunks) = fed(reading(), ROLE, delta(finish="stop"), DONE)

    assert [chunk.output for chunk in chunks] == [False, False]
    assert chunks[-1].usage.completion_tokens == 0


def test_a_later_choice_goes_on_after_an_earlier_one_has_ended():
    """Nothing is held back while a choice is open."""
    second = [delta(text, index=1) for text in ("b", "c")]
    steps = fed(
        reading(choices=2), delta("a", finish="stop"), *second, delta(finish="stop", index=1), DONE
    )

    assert [len(chunks) for chunks in steps] == [0, 2, 1, 0, 0, 1]
    assert [reason for chunks in steps for chunk in chunks for reason in chunk.finish_reasons] == [
        (0, "stop"),
        (1, "stop"),
    ]


def test_all_is_said_when_every_choice_has_ended():
    """As many as were asked for; if that is unknown, only [DONE] tells."""
    answers = [reading(), reading(choices=2), reading(choices=None)]
    for answer in answers:
        list(answer.feed(event(delta("a", finish="stop"))))

    assert [answer.finished for answer in answers] == [True, False, False]
    assert [list(answer.feed(DONE)) for answer in answers] == [[], [], []]
    assert [answer.finished for answer in answers] == [True, True, True]


def test_a_choice_that_did_not_end_is_not_whole():
    """Though another one did."""
    with pytest.raises(BackendError):
        fed(reading(choices=2), delta("a", index=1), delta("b", finish="stop"))


def test_tokens_are_exact_where_the_server_counts_along():
    """An event may have several tokens; what it adds to the count is what it has."""
    events = [
        ROLE | {"usage": counted(0)},
        delta("abc") | {"usage": counted(3)},
        delta("de") | {"usage": counted(5)},
        delta(finish="stop") | {"usage": counted(5)},
    ]
    chunks = flat(fed(reading(), *events, DONE))

    assert [chunk.tokens for chunk in chunks] == [0, 3, 2, 0]
    assert [chunk.prompt_tokens for chunk in chunks] == [7, None, None, None]


def test_each_event_keeps_its_usage_for_a_client_that_asked_for_it():
    """With vLLM's `continuous_usage_stats`; otherwise it is null but at the end."""
    events = [delta("a") | {"usage": counted(1)}, delta(finish="stop") | {"usage": counted(1)}]
    each = flat(fed(reading(usage=True, usage_each=True), *events))
    once = flat(fed(reading(usage=True), *events))

    assert [fields["usage"]["completion_tokens"] for fields in fields_of(each)] == [1, 1, 1]
    assert [fields["usage"] is None for fields in fields_of(once)] == [True, True, False]


def test_the_event_of_the_usage_is_the_servers():
    """With all that it holds, and the request's identity."""
    told = {"choices": [], "usage": USAGE, "timings": {"ms": 1}, "id": "x"}
    (*_, chunks) = fed(reading(usage=True), delta("a", finish="stop"), told, DONE)

    (fields,) = fields_of(chunks)
    assert fields["usage"] == USAGE | {"total_tokens": 12}
    assert (fields["timings"], fields["id"], fields["model"]) == ({"ms": 1}, "answer-1", "remote")


@pytest.mark.parametrize(
    "said",
    [
        {"content": "a"},
        {"reasoning_content": "a"},
        {"tool_calls": [{"index": 0}]},
        {"refusal": "a"},
        {"audio": {"data": "a"}},
        {"images": [{"url": "a"}]},
        {"function_call": {"name": "a"}},
    ],
    ids=lambda said: next(iter(said)),
)
def test_whatever_the_model_says_is_output(said):
    """Of any kind, known or not."""
    (chunks, *_) = fed(reading(), {"choices": [{"index": 0, "delta": said}]}, DONE)

    assert [(chunk.output, chunk.tokens) for chunk in chunks] == [(True, 1)]


@pytest.mark.parametrize(
    "said",
    [{}, {"role": "assistant"}, {"content": ""}, {"content": None}, {"tool_calls": []}],
    ids=["nothing", "role", "empty", "null", "no calls"],
)
def test_what_says_nothing_is_no_output(said):
    """And has no tokens."""
    steps = fed(reading(), {"choices": [{"index": 0, "delta": said}]}, DONE)

    assert [(chunk.output, chunk.tokens) for chunk in steps[-1]] == [(False, 0), (False, 0)]


def whole(answer, **wanted) -> tuple:
    reader = WholeAnswer(request(), Wanted(**wanted))
    reader.feed(json.dumps(answer).encode())
    chunk = reader.end(1.0)
    return chunk, json.loads(chunk.data)


def test_a_whole_answer_keeps_what_the_server_sent():
    """But for its identity, and the total that its usage lacks."""
    message = {"role": "assistant", "content": "a", "reasoning_content": "b", "x": [1.0]}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "stop_reason": None}
    sent = {"id": "x", "choices": [choice], "usage": COUNTS | {"cost": 1e-6}, "y": {"z": None}}

    chunk, fields = whole(sent)

    assert fields == sent | {
        "id": "answer-1",
        "created": 17,
        "model": "remote",
        "object": "chat.completion",
    }
    assert (chunk.tokens, chunk.prompt_tokens, chunk.output) == (5, 7, True)


@pytest.mark.parametrize(
    ("choice", "tokens"),
    [
        ({"message": {"content": "x" * 40}}, 11),
        ({"message": {"content": None, "tool_calls": []}}, 0),
        ({"message": {"content": "ab"}, "logprobs": {"content": [{}, {}]}}, 2),
    ],
    ids=["by its length", "nothing", "by its logprobs"],
)
def test_a_whole_answer_without_a_usage_gets_one(choice, tokens):
    """Counted as well as it can be."""
    chunk, fields = whole({"choices": [{"index": 0, **choice}]})

    assert fields["usage"]["completion_tokens"] == chunk.usage.completion_tokens == tokens
    assert fields["usage"]["total_tokens"] == tokens
    assert fields["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"),
        (["a", "b"], "ab"),
        ([], ""),
        ([{"type": "image_url", "image_url": {"url": "u"}}], None),
    ],
    ids=["parts", "strings", "none", "an image"],
)
def test_a_list_of_texts_is_their_text(content, text):
    """What else may be in a list has no place in a string, and stays."""
    _, fields = whole({"choices": [{"index": 0, "message": {"content": content}}]})

    assert fields["choices"][0]["message"]["content"] == (content if text is None else text)


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
SAID = {"type": "text", "text": "Hi"}


def test_thoughts_in_a_content_are_beside_it():
    """Where most clients read them, whole or streamed; the content is a text."""
    message = {"role": "assistant", "content": [THOUGHT, SAID]}
    _, fields = whole({"choices": [{"index": 0, "message": message}]})
    chunks = flat(fed(reading(), delta([THOUGHT]), delta([SAID]), delta("!", "stop"), DONE))

    assert fields["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Hi",
        "reasoning_content": "hm",
    }
    assert [one["choices"][0]["delta"] for one in fields_of(chunks)] == [
        {"content": "", "reasoning_content": "hm"},
        {"content": "Hi"},
        {"content": "!"},
    ]


def test_thoughts_beside_a_part_of_another_kind_stay_with_it():
    """A string has no place for that."""
    content = [THOUGHT, {"type": "image_url", "image_url": {"url": "u"}}]
    _, fields = whole({"choices": [{"index": 0, "message": {"content": content}}]})

    assert fields["choices"][0]["message"] == {"content": content}


@pytest.mark.parametrize(
    ("given", "thoughts"),
    [
        ({"reasoning": "abcd"}, "abcd"),
        ({"reasoning": "abcd", "reasoning_content": "wxyz"}, "wxyz"),
        ({"reasoning": None}, None),
    ],
    ids=["the newer name", "both", "none"],
)
def test_thoughts_have_the_name_that_most_clients_read(given, thoughts):
    """Beside the server's own; they are counted once."""
    message = {"role": "assistant", "content": "abcd"} | given
    chunk, fields = whole({"choices": [{"index": 0, "message": message}]})

    said = fields["choices"][0]["message"]
    assert (said.get("reasoning_content"), said["reasoning"]) == (thoughts, given["reasoning"])
    assert chunk.usage.completion_tokens == (2 if thoughts is None else 3)


def test_choices_of_a_whole_answer_are_all_kept():
    """In their order, with their reasons."""
    choices = [
        {"index": index, "message": {"content": text}, "finish_reason": reason}
        for index, text, reason in ((0, "a", "stop"), (1, "b", "length"))
    ]
    chunk, _ = whole({"choices": choices}, choices=2)

    assert chunk.finish_reasons == ((0, "stop"), (1, "length"))
    assert (text_of([chunk], 0), text_of([chunk], 1)) == ("a", "b")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES), max_size=4),
    st.sampled_from(["chat", "completion"]),
    st.booleans(),
)
def test_whatever_a_server_sends_is_an_answer_or_an_error(events, operation, usage):
    """Any JSON under any key: chunks that a client can read, or a `BackendError`."""
    wanted = Wanted(usage=usage)
    body = b"".join(event(fields) for fields in events) + DONE
    streamed, joined = (
        reader(request(operation=operation), wanted) for reader in (StreamedAnswer, WholeAnswer)
    )
    with suppress(BackendError):
        chunks = [*streamed.feed(body), *streamed.end(1.0)]
        assert [chunk.usage is None for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
        assert all(isinstance(fields["choices"], list) for fields in fields_of(chunks))
    with suppress(BackendError):
        joined.feed(body)
        assert json.loads(joined.end(1.0).data)["choices"]


def calling(*deltas, **more):
    return {"choices": [{"index": 0, "delta": {"tool_calls": list(deltas)}, **more}]}


CALL = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}}
CALLED = {
    "id": marked("a", "remote"),
    "type": "function",
    "function": {"name": "f", "arguments": "{}"},
}


def test_the_id_of_a_call_carries_the_model():
    """Once, also where the server repeats it in each delta."""
    more = CALL | {"function": {"arguments": "}"}}
    ends = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    chunks = flat(fed(reading(), calling(CALL), calling(more), ends, DONE))
    whole = WholeAnswer(request(), Wanted())
    for piece in (calling(CALL), calling(more), ends):
        whole.feed(event(piece))

    said = [fields["choices"][0]["delta"].get("tool_calls") for fields in fields_of(chunks)]
    first = CALLED | {"index": 0, "function": CALL["function"]}
    assert said == [[first], [{"index": 0, "function": {"arguments": "}"}}], None]
    (fields,) = fields_of([whole.end(1.0)])
    assert fields["choices"][0]["message"]["tool_calls"] == [CALLED]


def test_the_id_of_a_call_in_a_whole_answer_carries_the_model():
    """Also in the one of a server that does not stream."""
    call = CALLED | {"id": "a"}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    whole, streamed = WholeAnswer(request(), Wanted()), reading()
    whole.feed(json.dumps(body).encode())
    chunks = flat(fed(streamed, json.dumps(body).encode()))

    (fields,) = fields_of([whole.end(1.0)])
    assert fields["choices"][0]["message"] == message | {"tool_calls": [CALLED]}
    (fields,) = fields_of(chunks)
    assert fields["choices"][0]["delta"]["tool_calls"] == [CALLED | {"index": 0}]


@pytest.mark.parametrize(
    "rest", [[calling({"index": 0, "function": {"name": "f", "arguments": "}"}})], []]
)
@pytest.mark.parametrize("end", [[delta(finish="tool_calls")], []])
def test_a_call_is_told_with_its_name(rest, end):
    """Which may come late, or never, whether the stream has a finish reason or not."""
    nameless = calling(CALL | {"function": {"arguments": "{"}})
    events = [nameless, *rest, delta("a"), *end, DONE]
    whole = WholeAnswer(request(), Wanted())
    for piece in events:
        whole.feed(piece if isinstance(piece, bytes) else event(piece))

    deltas = [one["choices"][0]["delta"] for one in fields_of(flat(fed(reading(), *events)))]
    (call,) = [call for one in deltas for call in one.get("tool_calls", ())]
    function = {"name": "f", "arguments": "{}"} if rest else {"name": "", "arguments": "{"}
    assert call == CALLED | {"index": 0, "function": function}
    (fields,) = fields_of([whole.end(1.0)])
    assert fields["choices"][0]["message"]["tool_calls"] == [CALLED | {"function": function}]


def test_a_call_without_arguments_has_none_once_it_is_whole():
    """Also in the whole answer of a server that streams it."""
    nothing = CALL | {"function": {"name": "f", "arguments": None}}
    whole = WholeAnswer(request(), Wanted())
    for piece in (calling(nothing), delta(finish="tool_calls"), DONE):
        whole.feed(piece if isinstance(piece, bytes) else event(piece))

    (fields,) = fields_of([whole.end(1.0)])
    assert fields["choices"][0]["message"]["tool_calls"] == [CALLED]


def test_the_calls_of_a_message_count_beside_an_empty_delta():
    """Which says nothing."""
    message = {"role": "assistant", "content": None, "tool_calls": [CALLED | {"id": "a"}]}
    _, fields = whole({"choices": [{"index": 0, "message": message, "delta": {}}]})

    assert fields["choices"][0]["message"]["tool_calls"] == [CALLED]


def test_what_is_no_tool_call_is_no_answer():
    """As anything else that cannot be read."""
    with pytest.raises(BackendError):
        fed(reading(), {"choices": [{"index": 0, "delta": {"tool_calls": "f"}}]})
