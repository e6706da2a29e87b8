"""Errors about a chat that was made of another dialect's body, as errors about that body."""

from collections.abc import Callable, Container

from msgspec.structs import replace

from gateway.errors import ErrorDetail, GatewayError

Places = Callable[[str], str]
"""From a place in a chat to that in the client's body."""


def innermost(place: str, known: Container[str]) -> str:
    """The innermost part around a place that is known: of `a[0].b` that, `a[0]`, `a`, or none."""
    while place and place not in known:
        place = place[: max(place.rfind("."), place.rfind("["), 0)]
    return place


def in_own_words(error: GatewayError, own: Places) -> GatewayError:
    """The same error about the client's own body."""
    if error.parameter is None:
        return error
    place = own(error.parameter)
    return type(error)(error.message.replace(error.parameter, place, 1), place, error.headers)


def in_own_detail(error: ErrorDetail, own: Places) -> ErrorDetail:
    """The same of a model's error, or of one about its choice. Only the client's own body can have
    an unknown parameter."""
    if error.param is None or error.code == "unknown_parameter":
        return error
    place = own(error.param)
    return replace(error, message=error.message.replace(error.param, place, 1), param=place)
