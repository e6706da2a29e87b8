"""Decodes bodies into wire types and translates msgspec's validation errors into gateway errors.

msgspec says "Expected `int` <= 16 - at `$.n`"; a client wants the code, the parameter `n`, and the
value it sent.
"""

import re
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from gateway.body import read_parsed
from gateway.config import GatewaySection
from gateway.errors import (
    GatewayError,
    InvalidType,
    InvalidValue,
    MalformedBody,
    MissingParameter,
    UnknownParameter,
    UnsupportedParameter,
)

Body = TypeVar("Body")

_PLACE = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>[^`]*)`$")
_FIELD = re.compile(r"field `(?P<name>.*)`$", re.DOTALL)
_GOT_A_FLOAT = "got `float`"
_STEP = re.compile(r"\[(?P<index>\d+)\]|(?P<key>\w+)")

_SHOWN_CHARACTERS = 80
"""The longest part of a client's value that an error repeats."""

_KINDS: tuple[tuple[str, type[GatewayError]], ...] = (
    ("Object missing required field", MissingParameter),
    ("Object contains unknown field", UnknownParameter),
    ("Expected `null`, got", UnsupportedParameter),
    ("Expected", InvalidType),
)


async def read_as(request: Request, kind: type[Body], limits: GatewaySection) -> Body:
    """Reads and validates the body of a request.

    Raises:
        GatewayError: the body does not fit the type; the error names the parameter.
    """

    def parse(raw: dict[str, Any]) -> Body:
        return converted_to(kind, raw)[0]

    return await read_parsed(request.scope, request.receive, limits, parse)


def converted_to(kind: type[Body], raw: dict[str, Any]) -> tuple[Body, dict[str, Any]]:
    """The body as a value of the type, and as it was read: where an integer belongs, 1.0 is 1, as
    JSON schemas have it.

    Raises:
        GatewayError: the body does not fit the type; the error names the parameter.
    """
    try:
        try:
            return msgspec.convert(raw, kind), raw
        except msgspec.ValidationError as error:
            if _GOT_A_FLOAT not in str(error):
                raise
            whole = _with_whole_numbers(raw)
            return msgspec.convert(whole, kind), whole
    except RecursionError:
        raise MalformedBody("The body is nested too deeply.") from None
    except msgspec.ValidationError as error:
        raise validation_error(str(error), raw) from None


def _with_whole_numbers(value: Any) -> Any:
    """The same with integers for floats that are whole."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_with_whole_numbers(item) for item in value]
        case dict():
            return {name: _with_whole_numbers(item) for name, item in value.items()}
        case _:
            return value


def validation_error(verdict: str, body: dict[str, Any]) -> GatewayError:
    """Turns a message of `msgspec.ValidationError` into the error that names the parameter."""
    place = _PLACE.search(verdict)
    path, words = (place["path"], verdict[: place.start()]) if place else ("", verdict)
    kind = next((kind for start, kind in _KINDS if words.startswith(start)), InvalidValue)
    if kind is InvalidType and ", got `" not in words:
        kind = InvalidValue  # right type, but out of bounds
    if field := _FIELD.search(words):
        path = f"{path}.{field['name']}" if path else field["name"]
    if len(path) > 2 * _SHOWN_CHARACTERS:
        path = path[: 2 * _SHOWN_CHARACTERS]
    return kind(f"{path}: {_sentence(kind, words, _value_at(path, body))}", path or None)


def _sentence(kind: type[GatewayError], words: str, value: str) -> str:
    if kind is MissingParameter:
        return "required, but missing."
    if kind is UnknownParameter:
        return "unknown parameter."
    if kind is UnsupportedParameter:
        return "not supported; leave it out."
    expected = words.replace("`", "")
    if expected.startswith("Invalid value"):
        return f"{value} is not supported." if value else "the value is not supported."
    return f"{expected[0].lower()}{expected[1:]}{f' (sent: {value})' if value else ''}."


def _value_at(path: str, body: dict[str, Any]) -> str:
    """The offending value if it is a scalar, shortened; conversations are not repeated."""
    value: Any = body
    for step in _STEP.finditer(path):
        try:
            value = value[step["key"]] if step["index"] is None else value[int(step["index"])]
        except (KeyError, IndexError, TypeError):
            return ""
    if not isinstance(value, str | int | float):
        return ""
    if isinstance(value, int) and value.bit_length() > 256:  # formatting it would be slow
        return "a huge integer"
    shown = value[:_SHOWN_CHARACTERS] if isinstance(value, str) else value
    return ascii(shown)[:_SHOWN_CHARACTERS]
