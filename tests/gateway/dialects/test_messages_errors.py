"""`gateway.dialects.messages_errors`: errors in Anthropic's shape, about the client's own body."""

import msgspec
import pytest

from gateway.dialects.messages_errors import message_error, own_place
from gateway.errors import TABLE, ErrorBody, ErrorDetail

PLACES = {"messages[1]": "messages[0].content[0]", "messages[10].content[2]": "messages[7]"}

KINDS = {
    "api_error",
    "authentication_error",
    "invalid_request_error",
    "not_found_error",
    "permission_error",
    "rate_limit_error",
    "request_too_large",
    "timeout_error",
}
"""Those that Anthropic's API documents."""


def error(code, param=None, kind="invalid_request_error", message="no"):
    return ErrorBody(ErrorDetail(message=message, type=kind, param=param, code=code))


def test_the_shape():
    """Anthropic's keys, and the two by which clients of the other endpoints decide."""
    body = msgspec.to_builtins(message_error(error("invalid_value", "system"), "abc"))

    assert body == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "no",
            "code": "invalid_value",
            "param": "system",
        },
        "request_id": "abc",
    }


def test_every_error_has_a_type_that_clients_know():
    """Whatever the gateway may answer."""
    told = {message_error(error(rule.code, kind=rule.type)).error.type for rule in TABLE.values()}

    assert told == KINDS


@pytest.mark.parametrize(
    ("code", "kind", "expected"),
    [
        ("model_not_found", "invalid_request_error", "not_found_error"),
        ("model_overloaded", "rate_limit_error", "rate_limit_error"),
        ("model_unavailable", "server_error", "api_error"),
        ("deadline_exceeded", "server_error", "timeout_error"),
    ],
)
def test_types_that_chats_do_not_tell_apart(code, kind, expected):
    """By the code."""
    assert message_error(error(code, kind=kind)).error.type == expected


def test_an_engine_may_blame_a_chats_parameter():
    """It is named as the client knows it."""
    told = message_error(error("invalid_prompt", "stop[1]", message="stop[1]: too long")).error

    assert (told.param, told.message) == ("stop_sequences", "stop_sequences: too long")


def test_an_unknown_parameter_is_the_clients_own():
    """Also if a chat has one of that name."""
    assert message_error(error("unknown_parameter", "stop")).error.param == "stop"


@pytest.mark.parametrize(
    ("place", "own"),
    [
        ("messages[1]", "messages[0].content[0]"),
        ("messages[1].tool_call_id", "messages[0].content[0]"),
        ("messages[10].content[2].image_url.url", "messages[7]"),
        ("messages[10]", "messages[10]"),
        ("messages", "messages"),
    ],
)
def test_a_place_is_the_innermost_part_that_is_known(place, own):
    """Others stay as they are."""
    assert own_place(place, PLACES) == own
