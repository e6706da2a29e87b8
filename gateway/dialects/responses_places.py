"""Where the parts of a chat are in the body of `POST /v1/responses`, so that errors about the chat
that was made of it name the client's own words."""

from collections.abc import Mapping

from gateway.dialects.places import in_own_detail, innermost
from gateway.errors import ErrorBody

PLACES: Mapping[str, str] = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "logprobs": "include",
    "reasoning_effort": "reasoning.effort",
    "tool_choice.allowed_tools": "tool_choice",
    "response_format": "text.format",
    "response_format.json_schema": "text.format",
    "verbosity": "text.verbosity",
}
"""Parameters of a chat that have another name here."""

_INNER = {
    ".tool_call_id": ".call_id",
    ".image_url.url": ".image_url",
    ".image_url.detail": ".detail",
    ".function.": ".",
}
"""The same within items and tools."""


def place_of(parameter: str, places: Mapping[str, str] = PLACES) -> str:
    """Where a place in a chat is in the client's body: by the innermost known part around it."""
    known = innermost(parameter, places)
    rest = parameter[len(known) :]
    for chats, own in _INNER.items():
        rest = rest.replace(chats, own, 1)
    return places.get(known, "") + rest


def responses_error(body: ErrorBody, _request_id: str | None = None) -> ErrorBody:
    """An error of a model or of its choice, which speaks of a chat, as one about this dialect's
    body."""
    return ErrorBody(in_own_detail(body.error, place_of))
