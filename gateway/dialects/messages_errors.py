"""Errors of `POST /v1/messages` in Anthropic's shape, with the places in the client's own body."""

from collections.abc import Mapping

from gateway.dialects.messages_schemas import MessageError, MessageErrorDetail
from gateway.errors import ErrorBody, GatewayError

_TYPES_BY_CODE = {
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
    error = body.error
    kind = _TYPES_BY_CODE.get(error.code or "", _TYPES.get(error.type, error.type))
    message, place = error.message, error.param
    if place is not None and error.code != "unknown_parameter":  # which only its own body can have
        message, place = _renamed(message, place, _PLACES)
    return MessageError(MessageErrorDetail(kind, message, error.code, place), request_id)


def in_own_words(error: GatewayError, places: Mapping[str, str]) -> GatewayError:
    """The same error about the client's own body.

    Args:
        error: about a chat.
        places: where the parts of that chat are in the body, by their place in the chat.
    """
    if error.parameter is None:
        return error
    message, place = _renamed(error.message, error.parameter, places)
    return type(error)(message, place, error.headers)


def own_place(place: str, places: Mapping[str, str]) -> str:
    """Where the innermost known part that holds a place of the chat is in the client's body."""
    around = [known for known in places if f"{place}.".startswith((f"{known}.", f"{known}["))]
    return places[max(around, key=len)] if around else place


def _renamed(message: str, place: str, places: Mapping[str, str]) -> tuple[str, str]:
    own = own_place(place, places)
    return message.replace(place, own, 1), own
