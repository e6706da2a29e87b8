"""`gateway.dialects.turns`: what a model reads, what the router sees, and what a chat needs."""

import json

import pytest

from deployments.capability import Capability
from deployments.protocol import Message
from deployments.tool_call_ids import marked, tag_of
from gateway.dialects.parse import parse_chat
from gateway.dialects.turns import with_images
from gateway.errors import InvalidValue, MissingParameter

PIXEL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
USER = {"role": "user", "content": "weather in Rome?"}


def text(words):
    return {"type": "text", "text": words}


def call(call_id, name="f"):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}


def calling(*ids, **fields):
    return {"role": "assistant", "content": None, "tool_calls": [call(i) for i in ids], **fields}


def result(call_id, content="18 degrees"):
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def parsed(*messages):
    return parse_chat({"model": "auto", "messages": list(messages)})


def sent(*messages):
    return json.loads(parsed(*messages).body())["messages"]


def test_a_tool_loop_reaches_the_model_with_its_own_ids():
    """The model reads the ids that its engine gave; those of other servers stay as they are."""
    ours = marked("abc", "big")

    messages = sent(USER, calling(ours, "call_x"), result(ours), result("call_x"))

    assert messages == [
        USER,
        {"role": "assistant", "content": "", "tool_calls": [call("abc"), call("call_x")]},
        result("abc"),
        result("call_x"),
    ]


def test_an_answer_with_calls_can_be_sent_back():
    """What clients add to the calls of an answer, such as an index, is left out."""
    extras = {"index": 0, "parsed_arguments": {}}
    echoed = calling("c", refusal=None, audio=None, function_call=None, annotations=[])
    echoed["tool_calls"] = [call("c") | extras]

    assert sent(USER, echoed, result("c"))[1] == {
        "role": "assistant",
        "content": "",
        "tool_calls": [call("c")],
    }


@pytest.mark.parametrize(("arguments", "read"), [(None, "{}"), ("", ""), ('{"a":1}', '{"a":1}')])
def test_null_for_the_arguments_of_a_call_is_none(arguments, read):
    """Some servers write it, and their clients send it back; a text stays as it is."""
    echoed = calling("c")
    echoed["tool_calls"][0]["function"]["arguments"] = arguments

    function = sent(USER, echoed, result("c"))[1]["tool_calls"][0]["function"]
    assert function == {"name": "f", "arguments": read}


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_goes_back_in(key):
    """Under either name that servers give it."""
    answer = {"role": "assistant", "content": "a", key: "because"}

    assert sent(USER, answer)[1] == {
        "role": "assistant",
        "content": "a",
        "reasoning_content": "because",
    }


@pytest.mark.parametrize(
    "said",
    [
        {"content": "no"},
        {"content": None, "refusal": "no"},
        {"refusal": "no"},
        {"content": [{"type": "refusal", "refusal": "no"}]},
    ],
    ids=["text", "null", "absent", "part"],
)
def test_a_refusal_is_what_the_model_said(said):
    """A model that refused has said its refusal."""
    ask = parsed(USER, {"role": "assistant", **said})

    assert ask.query.messages[1] == Message("assistant", "no")
    assert json.loads(ask.body())["messages"][1] == {"role": "assistant", "content": "no"}


@pytest.mark.parametrize("content", ["a", [{"type": "text", "text": "a"}]], ids=["text", "part"])
def test_a_refusal_beside_words_is_kept(content):
    """As one turn of another dialect may have both."""
    answer = {"role": "assistant", "content": content, "refusal": "no"}

    assert sent(USER, answer)[1]["content"] == "a\nno"


def test_an_answer_of_nothing_but_nulls_is_empty():
    """As a model leaves it that used up its tokens to think."""
    assert sent(USER, {"role": "assistant", "content": None})[1]["content"] == ""


def test_names_travel():
    """Many frameworks send one with each message."""
    named = {"role": "user", "content": "hi", "name": "ada"}

    assert sent(named) == [named]


def test_images_travel_between_the_words():
    """Parts with an image stay parts; the router sees the words among them."""
    shown = {"role": "user", "content": [text("what"), PIXEL, text("is this?")]}

    ask = parsed(shown)

    assert json.loads(ask.body())["messages"] == [shown]
    assert ask.query.messages == (Message("user", "what\nis this?"),)
    assert ask.needs == {Capability.IMAGES: "messages[0].content[1]"}


@pytest.mark.parametrize("beside", [[], [PIXEL]], ids=["text", "image"])
def test_a_point_up_to_which_to_cache_is_a_hint(beside):
    """No model hears of it, and the client is told."""
    mark = {"prompt_cache_breakpoint": {"mode": "explicit"}}
    content = [text("what"), *beside]
    plain = parsed({"role": "user", "content": content})
    marked = parsed({"role": "user", "content": [part | mark for part in content]})

    assert marked.body() == plain.body()
    assert (plain.not_applied, marked.not_applied) == ((), ("prompt_cache_breakpoint",))


def test_the_words_of_results_are_no_users():
    """The router knows who said what."""
    messages = parsed(USER, calling("c"), result("c", [text("18"), text("degrees")])).query.messages

    assert messages == (
        Message("user", USER["content"]),
        Message("assistant", ""),
        Message("tool", "18\ndegrees"),
    )


def test_a_history_with_calls_needs_tools():
    """Only a model that calls tools reads them; the place of the first is named."""
    assert parsed(USER, calling("c"), result("c")).needs == {Capability.TOOLS: "messages[1]"}


@pytest.mark.parametrize(
    ("after", "tag"),
    [
        ([], None),
        ([calling(marked("a", "big"))], tag_of("big")),
        ([calling(marked("a", "big")), result(marked("a", "big"))], tag_of("big")),
        ([calling(marked("a", "big")), result(marked("a", "big")), USER], tag_of("big")),
        ([calling("foreign", marked("a", "big"))], tag_of("big")),
        ([calling("foreign"), result("foreign")], None),
        ([calling(marked("a", "big")), {"role": "assistant", "content": "18"}, USER], None),
    ],
    ids=["no call", "call", "result", "more words", "mixed", "foreign", "answered"],
)
def test_who_called_is_known_while_its_calls_are_open(after, tag):
    """Until the model has answered with words, the conversation is at its calls."""
    assert parsed(USER, *after).caller == tag


@pytest.mark.parametrize(
    ("messages", "kind", "parameter"),
    [
        ([USER, result("c")], InvalidValue, "messages[1].tool_call_id"),
        ([result("c"), calling("c")], InvalidValue, "messages[0].tool_call_id"),
        ([USER, calling("c"), result("d")], InvalidValue, "messages[2].tool_call_id"),
        ([{"role": "assistant"}], MissingParameter, "messages[0].content"),
        ([{"role": "assistant", "contents": "x"}], MissingParameter, "messages[0].content"),
        ([{"role": "tool", "content": ""}], MissingParameter, "messages[0].tool_call_id"),
    ],
)
def test_faults_name_their_place(messages, kind, parameter):
    """A message that belongs to nothing, or says nothing, is named."""
    with pytest.raises(kind) as caught:
        parsed(*messages)

    assert caught.value.parameter == parameter


@pytest.mark.parametrize("url", ["file:///etc/passwd", "data:text/html,", "//host/a", ""])
def test_an_image_is_there_or_at_a_web_address(url):
    """Anything else is refused at its place."""
    with pytest.raises(InvalidValue) as caught:
        parsed({"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]})

    assert caught.value.parameter == "messages[0].content[0].image_url.url"


def test_images_are_named_and_replaced_in_order():
    """Also those that tools gave; the words between them and the given messages stay."""
    away = {"type": "image_url", "image_url": {"url": "https://a.test/1.png", "detail": "low"}}
    looking = {"role": "user", "content": [text("look"), away]}
    request = parsed(looking, calling("c"), result("c", [PIXEL]), USER)
    before = request.body()

    messages = with_images(request.fields["messages"], ["data:1", "data:2"])

    assert [(image.place, image.is_remote) for image in request.images] == [
        ("messages[0].content[1].image_url.url", True),
        ("messages[2].content[0].image_url.url", False),
    ]
    assert messages[0]["content"] == [
        text("look"),
        {"type": "image_url", "image_url": {"url": "data:1", "detail": "low"}},
    ]
    assert messages[2]["content"] == [{"type": "image_url", "image_url": {"url": "data:2"}}]
    assert messages[1::2] == request.fields["messages"][1::2]
    assert request.body() == before


def test_a_chat_without_images_has_none():
    """Which is all that it costs."""
    assert parsed({"role": "user", "content": [text("hi")]}).images == ()
