"""Whether what a client calls a JSON schema is one.

Whether a model's engine can follow it is for the engine to say. The same schemas come again and
again, and a verdict costs milliseconds: the last ones are remembered.
"""

from functools import lru_cache
from typing import Any

import msgspec

from gateway.errors import InvalidValue

_SHOWN_CHARACTERS = 200
_REMEMBERED = 256
_LONGEST_REMEMBERED = 16 * 1024


def check_schema(schema: dict[str, Any], place: str) -> None:
    """Checks a schema of draft 7, or of a later one.

    Raises:
        InvalidValue: it is none; the error names the place in the body.
    """
    try:
        encoded = msgspec.json.encode(schema)
        fault = (_fault if len(encoded) > _LONGEST_REMEMBERED else _remembered_fault)(encoded)
    except RecursionError:
        fault = "it is nested too deeply"
    if fault is not None:
        raise InvalidValue(f"{place}: no JSON schema: {fault}.", place)


def _fault(schema: bytes) -> str | None:
    from jsonschema import (  # noqa: PLC0415 - 6 MB, for the requests that have a schema
        Draft7Validator,
        Draft202012Validator,
        SchemaError,
    )

    decoded, fault = msgspec.json.decode(schema), None
    for draft in (Draft7Validator, Draft202012Validator):
        try:
            # Without formats: a pattern need not be a regular expression of Python.
            draft.check_schema(decoded, format_checker=None)
        except SchemaError as error:
            where = error.json_path.removeprefix("$").removeprefix(".") or "the whole"
            fault = f"{where[:_SHOWN_CHARACTERS]}: {error.message[:_SHOWN_CHARACTERS]}"
        else:
            return None
    return fault


_remembered_fault = lru_cache(_REMEMBERED)(_fault)
