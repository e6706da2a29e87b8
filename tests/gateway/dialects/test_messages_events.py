"""`gateway.dialects.messages_events`: answers in Anthropic's words."""

import json

import pytest

from deployments.protocol import Chunk, Usage
from gateway.dialects.messages_events import MessageRendering
from gateway.dialects.schemas import Niche
from gateway.errors import ErrorBody, ErrorDetail

NICHE = Niche("sql", "m", 0.9, "routed", "abc")
USED = Usage(prompt_tokens=10, completion_tokens=4, cached_tokens=3)
ARGUMENTS = '{"what":"x"}'


def chunk(choice, **facts):
    answer = {"id": "chatcmpl-7f", "object": "chat", "created": 1, "model": "m"}
    return Chunk(json.dumps(answer | {"choices": [choice] if choice else []}).encode(), **facts)


def piece(**delta):
    return chunk({"index": 0, "delta": delta, "finish_reason": None})


def last(reason="stop", **more):
    choice = {"index": 0, "delta": {}, "finish_reason": reason} | more
    return chunk(choice, usage=USED)


def call(index, arguments=None, call_id=None, name=None):
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"index": index, "function": function} | ({"id": call_id} if call_id else {})


def events_of(data):
    """The events, whose names are their types."""
    found = []
    for event in data.decode().split("\n\n")[:-1]:
        name, _, body = event.partition("\n")
        found.append(json.loads(body.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def streamed(*chunks, stops=()):
    """The events of a stream without its frame, which each test would repeat."""
    rendering = MessageRendering(stops)
    niches = [NICHE, *[None] * (len(chunks) - 2), NICHE]
    data = b"".join(rendering.event(*pair) for pair in zip(chunks, niches, strict=True))
    start, *blocks, end, stop = events_of(data + rendering.end())
    assert (start["type"], end["type"], stop) == (
        "message_start",
        "message_delta",
        {"type": "message_stop"},
    )
    return start, blocks, end


def whole(message, reason="stop", stops=(), **more):
    choice = {"index": 0, "message": message, "finish_reason": reason} | more
    return json.loads(MessageRendering(stops).whole(chunk(choice, usage=USED), NICHE))


def started(index, **block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def grew(index, **delta):
    return {"type": "content_block_delta", "index": index, "delta": delta}


def stopped(index):
    return {"type": "content_block_stop", "index": index}


def test_a_whole_answer():
    """Thoughts, text and calls are blocks; tokens that the engine knew are counted apart."""
    function = {"name": "find", "arguments": ARGUMENTS}
    message = {
        "role": "assistant",
        "content": "yes",
        "reasoning_content": "hm",
        "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
    }

    answer = whole(message, "tool_calls")

    assert answer.pop("niche")["request_id"] == "abc"
    assert answer == {
        "id": "msg_7f",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "text", "text": "yes"},
            {"type": "tool_use", "id": "call_1", "name": "find", "input": {"what": "x"}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 7,
            "output_tokens": 4,
            "cache_read_input_tokens": 3,
            "cache_creation_input_tokens": 0,
        },
    }


def test_an_empty_answer_has_no_blocks():
    """Not an empty text."""
    assert whole({"content": ""})["content"] == []


@pytest.mark.parametrize("arguments", ['{"what":"x', "[1]", "", None])
def test_arguments_that_are_no_object_are_none(arguments):
    """As those that the limit cut off; the client still sees which tool was to be called."""
    cut = {"tool_calls": [{"id": "c", "function": {"name": "find", "arguments": arguments}}]}

    assert whole(cut, "length")["content"][0]["input"] == {}


@pytest.mark.parametrize(
    ("choice", "reason", "sequence"),
    [
        ({"finish_reason": "stop"}, "end_turn", None),
        ({"finish_reason": "length"}, "max_tokens", None),
        ({"finish_reason": "tool_calls"}, "tool_use", None),
        ({"finish_reason": "content_filter"}, "refusal", None),
        ({"finish_reason": "stop", "stop_reason": "END"}, "stop_sequence", "END"),
        ({"finish_reason": "stop", "stop_reason": 50256}, "end_turn", None),
        ({"finish_reason": "stop", "stop_reason": "eos"}, "end_turn", None),
    ],
)
def test_why_it_ends(choice, reason, sequence):
    """Whole or streamed; the string that ended it, if the server says which."""
    answer = whole({"content": "a"}, stops=["END"], **choice)
    _, _, end = streamed(piece(content="a"), last(**choice), stops=["END"])

    assert (answer["stop_reason"], answer["stop_sequence"]) == (reason, sequence)
    assert end["delta"] == {"stop_reason": reason, "stop_sequence": sequence}


def test_a_call_is_the_reason_also_where_the_server_says_stop():
    """As OpenAI's does if the request names the function."""
    function = {"name": "find", "arguments": "{}"}
    answer = whole({"tool_calls": [{"id": "c", "function": function}]})
    _, _, end = streamed(piece(tool_calls=[call(0, "{}", "c", "find")]), last())

    assert answer["stop_reason"] == end["delta"]["stop_reason"] == "tool_use"


def test_the_frame_of_a_stream():
    """What is known when it begins, and what only when it ends."""
    first = chunk({"index": 0, "delta": {"role": "assistant", "content": ""}}, prompt_tokens=10)
    start, blocks, end = streamed(first, piece(content="a"), last())

    niche = {"domain": "sql", "model": "m", "confidence": 0.9, "reason": "routed"}
    message = start["message"]
    assert (message["id"], message["content"], message["stop_reason"]) == ("msg_7f", [], None)
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (10, 0)
    assert message["niche"] == end["niche"] == niche | {"request_id": "abc"}
    assert blocks == [
        started(0, type="text", text=""),
        grew(0, type="text_delta", text="a"),
        stopped(0),
    ]
    assert end["usage"] == {
        "input_tokens": 7,
        "output_tokens": 4,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 0,
    }


def test_a_stream_of_one_chunk():
    """It begins and ends with the same."""
    choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": "length"}
    rendering = MessageRendering()

    events = events_of(rendering.event(chunk(choice, usage=USED), NICHE))

    assert [event["type"].rpartition("_")[2] for event in events] == [
        *("start", "start", "delta", "stop", "delta"),
    ]
    assert events[-1]["delta"]["stop_reason"] == "max_tokens"


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content"])
def test_one_block_is_open_at_a_time(key):
    """A thought ends where the text begins, and the text where a tool is called."""
    _, blocks, _ = streamed(
        piece(**{key: "h"}),
        piece(**{key: "m"}),
        piece(content="yes"),
        piece(tool_calls=[call(0, "", "call_1", "find")]),
        piece(tool_calls=[call(0, '{"what":')]),
        piece(tool_calls=[call(0, '"x"}'), call(1, "{}", "call_2", "stop")]),
        last("tool_calls"),
    )

    assert blocks == [
        started(0, type="thinking", thinking="", signature=""),
        grew(0, type="thinking_delta", thinking="h"),
        grew(0, type="thinking_delta", thinking="m"),
        stopped(0),
        started(1, type="text", text=""),
        grew(1, type="text_delta", text="yes"),
        stopped(1),
        started(2, type="tool_use", id="call_1", name="find", input={}),
        grew(2, type="input_json_delta", partial_json='{"what":'),
        grew(2, type="input_json_delta", partial_json='"x"}'),
        stopped(2),
        started(3, type="tool_use", id="call_2", name="stop", input={}),
        grew(3, type="input_json_delta", partial_json="{}"),
        stopped(3),
    ]


def test_calls_that_a_server_mixes_stay_apart():
    """Each piece of arguments goes to its own call, and no block grows after its end."""
    _, blocks, _ = streamed(
        piece(tool_calls=[call(0, "", "a", "f"), call(1, "", "b", "g")]),
        piece(tool_calls=[call(0, '{"x":'), call(1, "{")]),
        piece(tool_calls=[call(1, "}"), call(0, "1}")]),
        last("tool_calls"),
    )

    assert [
        (event["index"], event.get("delta", {}).get("partial_json"))
        for event in blocks
        if event["type"] != "content_block_start"
    ] == [(0, '{"x":'), (0, "1}"), (0, None), (1, "{"), (1, "}"), (1, None)]


def told(blocks):
    """The texts and arguments of events, each with its block; None: the block ends."""
    texts = ("text", "thinking", "partial_json")
    deltas = [
        (event["index"], event.get("delta", {}))
        for event in blocks
        if event["type"] != "content_block_start"
    ]
    return [
        (index, next((delta[key] for key in texts if key in delta), None))
        for index, delta in deltas
    ]


@pytest.mark.parametrize("white", ["\n", " \n"])
def test_white_space_between_the_pieces_of_a_call_is_dropped(white):
    """No block grows after its end."""
    _, blocks, _ = streamed(
        piece(tool_calls=[call(0, '{"a":', "a", "f")]),
        piece(content=white),
        piece(tool_calls=[call(0, "1}")]),
        last("tool_calls"),
    )

    assert told(blocks) == [(0, '{"a":'), (0, "1}"), (0, None)]


def test_words_between_the_pieces_of_calls_come_once_the_calls_are_whole():
    """And with them what was said since."""
    _, blocks, _ = streamed(
        piece(tool_calls=[call(0, '{"a":', "a", "f"), call(1, "{", "b", "g")]),
        piece(content="so"),
        piece(reasoning_content="hm"),
        piece(tool_calls=[call(0, "1}")]),
        piece(content=" "),
        piece(tool_calls=[call(1, "}")]),
        piece(content="far"),
        last("tool_calls"),
    )

    assert told(blocks) == [
        *[(0, '{"a":'), (0, "1}"), (0, None), (1, "{"), (1, "}"), (1, None)],
        *[(2, "so"), (2, None), (3, "hm"), (3, None), (4, " "), (4, "far"), (4, None)],
    ]


def test_words_after_a_call_that_never_is_whole_come_at_the_end():
    """As after one without arguments."""
    _, blocks, _ = streamed(
        piece(tool_calls=[call(0, "", "a", "f")]), piece(content="so"), last("tool_calls")
    )

    assert told(blocks) == [(0, None), (1, "so"), (1, None)]


def test_words_after_whole_calls_do_not_wait():
    """What comes of a call after its end is no argument."""
    rendering = MessageRendering()
    chunks = [
        piece(tool_calls=[call(0, "{}", "a", "f")]),
        piece(content="so"),
        piece(tool_calls=[call(0, "\n")]),
    ]
    data = [rendering.event(chunk, None) for chunk in chunks]

    assert told(events_of(data[1])) == [(0, None), (1, "so")]
    assert data[2] == b""


@pytest.mark.parametrize("odd", [None, {"text": "x"}, False, 3, {}], ids=str)
def test_what_stands_beside_an_answer_in_another_type_says_nothing(odd):
    """Null, too; the answer itself is good."""
    beside = dict.fromkeys(["reasoning", "reasoning_content", "refusal"], odd)
    answer = whole(beside | {"content": "a"}, delta=None)
    first = chunk({"index": 0, "delta": beside | {"content": "a"}, "message": None})
    rest = piece(content=odd, tool_calls=[{"index": 0, "function": None}])
    _, blocks, _ = streamed(first, rest, last())

    assert answer["content"] == [{"type": "text", "text": "a"}]
    assert blocks[:3] == [
        started(0, type="text", text=""),
        grew(0, type="text_delta", text="a"),
        stopped(0),
    ]


def test_a_call_without_arguments_holds_up_another_until_the_end():
    """Nobody can know whether more of it comes."""
    _, blocks, _ = streamed(
        piece(tool_calls=[call(0, "", "a", "f"), call(1, "{}", "b", "g")]), last("tool_calls")
    )

    kinds = [(event["type"].removeprefix("content_block_"), event["index"]) for event in blocks]
    assert kinds == [("start", 0), ("stop", 0), ("start", 1), ("delta", 1), ("stop", 1)]


def test_thoughts_may_be_a_part_of_the_content():
    """Of an answer that is whole, and of a piece of one."""
    content = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, "a"]
    _, blocks, _ = streamed(piece(content=content), last())

    thought, text = whole({"content": content})["content"]
    assert (thought["thinking"], text["text"]) == ("hm", "a")
    assert [
        next(iter(set(event["delta"].values()) - {event["delta"]["type"]}))
        for event in blocks
        if event["type"] == "content_block_delta"
    ] == ["hm", "a"]


def test_a_refusal_is_what_is_said():
    """Whole or streamed."""
    _, blocks, _ = streamed(piece(refusal="I will not."), last("content_filter"))

    assert whole({"content": None, "refusal": "I will not."})["content"] == [
        {"type": "text", "text": "I will not."}
    ]
    assert blocks[1]["delta"]["text"] == "I will not."


def test_a_chunk_without_choices_says_nothing():
    """As some servers send before the answer."""
    _, blocks, _ = streamed(chunk(None), last())

    assert blocks == []


def test_a_stream_that_breaks_off():
    """Ends with an event for the error."""
    error = ErrorBody(ErrorDetail("gone", "server_error", None, "model_unavailable"))

    [event] = events_of(MessageRendering().failure(error))

    assert (event["type"], event["error"]["type"]) == ("error", "api_error")
