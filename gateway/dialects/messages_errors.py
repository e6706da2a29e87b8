"""Errors of `POST /v1/messages` in Anthropic's shape, with the places in the client's own body."""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.dialects.messages_schemas import MessageError, MessageErrorDetail
from gateway.dialects.places import in_own_detail, innermost
from gateway.errors import ErrorBody

_TYPES_BY_CODE = {
    "body_too_large": "request_too_large",
    "body_timeout": "timeout_error",
    "deadline_exceeded": "timeout_error",
    "model_not_found": "not_found_error",
    "path_not_found": "not_found_error",
}
_TYPES = {"server_error": "api_error"}
"""Other types have the same name in both dialects."""

_PLACES = {
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "reasoning_effort": "output_config.effort",
    "response_format": "output_config.format",
    "response_format.json_schema.schema": "output_config.format.schema",
    "stop": "stop_sequences",
    "tool_choice.function.name": "tool_choice.name",
}
"""Parameters of a chat that have another name here."""


def message_error(body: ErrorBody, request_id: str | None = None) -> MessageError:
    """An error as clients of this dialect know it."""
    error = in_own_detail(body.error, own_place)
    kind = _TYPES_BY_CODE.get(error.code or "", _TYPES.get(error.type, error.type))
    detail = MessageErrorDetail(kind, error.message, error.code, error.param)
    return MessageError(detail, request_id)


def own_place(place: str, places: Mapping[str, str] = MappingProxyType({})) -> str:
    """Where the innermost known part that holds a place of the chat is in the client's body.

    Args:
        place: in the chat.
        places: of the parts of this chat, beside those that have another name in every chat.
    """
    known = {**_PLACES, **places}
    return known.get(innermost(place, known), place)
