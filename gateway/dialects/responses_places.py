"""Where the parts of a chat are in the body of `POST /v1/responses`, so that errors about the chat
that was made of it name the client's own words."""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from gateway.errors import ErrorBody, GatewayError

PLACES: Mapping[str, str] = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "logprobs": "include",
    "reasoning_effort": "reasoning.effort",
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
    known = next((part for part in _around(parameter) if part in places), "")
    rest = parameter[len(known) :]
    for chats, own in _INNER.items():
        rest = rest.replace(chats, own, 1)
    return places.get(known, "") + rest


def in_own_words(error: GatewayError, places: Mapping[str, str]) -> GatewayError:
    """The same error about the client's own body."""
    if error.parameter is None:
        return error
    place = place_of(error.parameter, places)
    return type(error)(error.message.replace(error.parameter, place, 1), place, error.headers)


def responses_error(body: ErrorBody, _request_id: str | None = None) -> ErrorBody:
    """An error of a model or of its choice, which speaks of a chat, as one about this dialect's
    body. Only the client's own body can have an unknown parameter."""
    error = body.error
    if error.param is None or error.code == "unknown_parameter":
        return body
    place = place_of(error.param)
    message = error.message.replace(error.param, place, 1)
    return ErrorBody(replace(error, message=message, param=place))


def _around(place: str) -> Iterator[str]:
    """A place, and those around it: `a[0].b`, `a[0]`, `a`."""
    while place:
        yield place
        place = place[: max(place.rfind("."), place.rfind("["), 0)]
