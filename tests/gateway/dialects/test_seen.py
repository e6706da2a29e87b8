"""The router sees the text of every content shape, in each dialect, and survives where there is
none."""

import pytest

from deployments.protocol import Message
from gateway.dialects.messages import parse_messages
from gateway.dialects.parse import parse_chat
from gateway.dialects.responses import parse_responses
from router.classifier import text_of
from tests.fakes import NotingBackend
from tests.gateway.stacks import GENERALIST, SPECIALIST, make_gateway

ASKED = "please SELECT"
URL = "data:image/png;base64,AA=="

CHAT_IMAGE = {"type": "image_url", "image_url": {"url": URL}}
CHAT_CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ITEM_IMAGE = {"type": "input_image", "image_url": URL}
ITEM_CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
BLOCK_IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "AA=="},
}
BLOCK_CALL = {"type": "tool_use", "id": "c", "name": "f", "input": {}}


def text(said):
    return {"type": "text", "text": said}


def item(said):
    return {"type": "input_text", "text": said}


def user(content):
    return {"role": "user", "content": content}


def chat(*messages):
    return parse_chat({"model": "auto", "messages": list(messages)})


def response(given, **fields):
    return parse_responses({"model": "auto", "input": given, **fields})


def message(*turns, **fields):
    return parse_messages({"model": "auto", "max_tokens": 9, "messages": list(turns), **fields})


LAST = {
    "chat: a string": lambda: chat(user(ASKED)),
    "chat: a part": lambda: chat(user([text(ASKED)])),
    "chat: parts": lambda: chat(user([text("please"), text("SELECT")])),
    "chat: before an image": lambda: chat(user([text(ASKED), CHAT_IMAGE])),
    "chat: after images": lambda: chat(user([CHAT_IMAGE, CHAT_IMAGE, text(ASKED)])),
    "chat: with a name": lambda: chat(user(ASKED) | {"name": "ada"}),
    "chat: above a null": lambda: chat(user(ASKED), {"role": "assistant", "content": None}),
    "chat: above a refusal": lambda: chat(
        user(ASKED), {"role": "assistant", "content": None, "refusal": "no"}
    ),
    "chat: above a call and its result": lambda: chat(
        user(ASKED),
        {"role": "assistant", "content": None, "tool_calls": [CHAT_CALL]},
        {"role": "tool", "tool_call_id": "c", "content": [text("18"), CHAT_IMAGE]},
    ),
    "responses: a string": lambda: response(ASKED),
    "responses: an untyped item": lambda: response([user(ASKED)]),
    "responses: parts": lambda: response([user([item("please"), item("SELECT")])]),
    "responses: beside an image": lambda: response([user([ITEM_IMAGE, item(ASKED)])]),
    "responses: above a call and its output": lambda: response(
        [
            user(ASKED),
            {"type": "reasoning", "id": "r", "summary": []},
            ITEM_CALL,
            {"type": "function_call_output", "call_id": "c", "output": [item("18"), ITEM_IMAGE]},
        ]
    ),
    "messages: a string": lambda: message(user(ASKED)),
    "messages: blocks": lambda: message(user([text("please"), text("SELECT")])),
    "messages: beside an image": lambda: message(user([BLOCK_IMAGE, text(ASKED)])),
    "messages: after a result": lambda: message(
        user("hi"),
        {"role": "assistant", "content": [BLOCK_CALL]},
        user([{"type": "tool_result", "tool_use_id": "c", "content": "18"}, text(ASKED)]),
    ),
    "messages: cached": lambda: message(
        user([text(ASKED) | {"cache_control": {"type": "ephemeral"}}])
    ),
}


@pytest.mark.parametrize("parsed", LAST.values(), ids=LAST)
def test_the_router_sees_what_the_user_said(parsed):
    """The last words of the user, whatever they lie between."""
    assert text_of(parsed().query).split() == ASKED.split()


def test_the_router_sees_every_turn_of_a_chat():
    """Instructions, answers, refusals and results too, each with its role."""
    seen = chat(
        {"role": "developer", "content": [text("be"), text("brief")]},
        user([CHAT_IMAGE]),
        {"role": "assistant", "content": [text("a"), {"type": "refusal", "refusal": "b"}]},
        {"role": "assistant", "content": None, "tool_calls": [CHAT_CALL]},
        {"role": "tool", "tool_call_id": "c", "content": [text("18")]},
        user(ASKED),
    ).query.messages

    assert seen == (
        Message("system", "be\nbrief"),
        Message("user", ""),
        Message("assistant", "a\nb"),
        Message("assistant", ""),
        Message("tool", "18"),
        Message("user", ASKED),
    )


def test_the_router_sees_every_item_of_a_response():
    """What the model thought, said and called in a row is one turn."""
    said = [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "b"}]
    seen = response(
        [
            user("hi"),
            {"type": "message", "role": "assistant", "content": said},
            ITEM_CALL,
            {"type": "function_call_output", "call_id": "c", "output": "18"},
            user(ASKED),
        ],
        instructions="be brief",
    ).query.messages

    assert seen == (
        Message("system", "be brief"),
        Message("user", "hi"),
        Message("assistant", "a\nb"),
        Message("tool", "18"),
        Message("user", ASKED),
    )


def test_the_router_sees_every_block_of_a_message():
    """An image in a result is shown by the user, as a chat has it."""
    result = {"type": "tool_result", "tool_use_id": "c", "content": [text("18"), BLOCK_IMAGE]}
    seen = message(
        user("hi"),
        {"role": "assistant", "content": [text("a"), BLOCK_CALL]},
        user([result, text(ASKED)]),
        system=[text("be brief")],
    ).query.messages

    assert seen == (
        Message("system", "be brief"),
        Message("user", "hi"),
        Message("assistant", "a"),
        Message("tool", "18"),
        Message("user", ASKED),
    )


SILENT = {
    "an image": user([CHAT_IMAGE]),
    "nothing": user(""),
    "white space": user([text(" \n")]),
}


@pytest.mark.parametrize("last", SILENT.values(), ids=SILENT)
async def test_a_message_without_words_is_answered(last):
    """By a model that sees, where there is an image."""
    sees = {"capabilities": frozenset({"images"})}
    gateway = make_gateway(
        NotingBackend("big"),
        generalist=GENERALIST.model_copy(update=sees),
        specialist=SPECIALIST.model_copy(update=sees),
    )

    answer = await gateway.post({"model": "auto", "messages": [last]})

    assert answer.status_code == 200, answer.text
    assert answer.headers["x-niche-domain"] == "general"
