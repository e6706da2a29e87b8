"""Parses the request's bytes into a JSON object, with size limits and stricter than `json`.

A large body is parsed on another thread, so that the event loop answers other requests meanwhile.

It refuses input that parsers treat differently or drop silently: duplicate keys, NaN and
infinities, numbers that would become one, lone surrogates, bytes that are not UTF-8, nesting beyond
the stack, parts without end.
"""

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

from starlette.types import Receive, Scope

from gateway.config import GatewaySection
from gateway.errors import (
    BodyTooLarge,
    BodyTooSlow,
    ClientGone,
    InvalidValue,
    MalformedBody,
    UnsupportedMediaType,
)

INLINE_BYTES = 64 * 1024
"""The longest body that is parsed on the event loop, which takes less than a millisecond."""

MOST_PARTS = 100_000
"""Objects, arrays and keys: an empty one of three bytes takes sixty in memory, or two hundred."""

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""One that is not closed goes to the end: else each quote in it would start another search."""

Parsed = TypeVar("Parsed")


async def read_parsed(
    scope: Scope,
    receive: Receive,
    limits: GatewaySection,
    parse: Callable[[dict[str, Any]], Parsed],
    in_thread: Callable[[Callable[[], Parsed]], Awaitable[Parsed]] = asyncio.to_thread,
) -> Parsed:
    """Receives the body of a request, and parses it.

    Args:
        scope: the request.
        receive: where its body comes from.
        limits: of its size, and of the time for it.
        parse: validates the JSON object; it must be safe to call on any thread.
        in_thread: runs a function on another thread.

    Raises:
        GatewayError: as `read_body`, `decode_object` and `parse`.
    """
    body = await read_body(scope, receive, limits.max_body_bytes, limits.body_timeout_seconds)

    def parsed() -> Parsed:
        return parse(decode_object(body))

    return parsed() if len(body) <= INLINE_BYTES else await in_thread(parsed)


async def read_body(
    scope: Scope, receive: Receive, limit_bytes: int, limit_seconds: float
) -> bytes:
    """Receives the whole body of a JSON request.

    Raises:
        BodyTooSlow: it was not complete after `limit_seconds`.
        UnsupportedMediaType: it is not declared as `application/json`, or it is compressed.
        BodyTooLarge: its length, declared or actual, exceeds `limit_bytes`.
        ClientGone: the client disconnected before the end of the body.
    """
    headers = dict(scope["headers"])
    _check_media_type(headers.get(b"content-type", b"").decode("latin-1"))
    _check_encoding(headers.get(b"content-encoding", b"").decode("latin-1"))
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared[:20]) > limit_bytes:
        raise _too_large(limit_bytes)
    try:
        async with asyncio.timeout(limit_seconds):
            return await _receive_all(receive, limit_bytes)
    except TimeoutError:
        raise BodyTooSlow(f"The body was not complete after {limit_seconds:g} s.") from None


async def _receive_all(receive: Receive, limit_bytes: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("The client disconnected while sending its request.")
        body += message.get("body", b"")
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
        if not message.get("more_body", False):
            return bytes(body)


def decode_object(body: bytes) -> dict[str, Any]:
    """Parses a body that must be one JSON object.

    Raises:
        MalformedBody: it is not a JSON object; the message says where and why.
    """
    _check_parts(body)
    try:
        text = body.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
        if "\\u" in text:  # only escapes can produce lone surrogates
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise MalformedBody(f"The body is not valid Unicode: {error.reason}.") from None
    except RecursionError:
        raise MalformedBody("The body is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise MalformedBody(f"The body is not JSON: {error.msg} at byte {error.pos}.") from None
    except ValueError:  # Python limits the digits of an integer
        raise MalformedBody("The body holds a number with too many digits.") from None
    if not isinstance(value, dict):
        raise MalformedBody("The body must be a JSON object.")
    return value


def _check_parts(body: bytes) -> None:
    if _parts(body) > MOST_PARTS and _parts(_STRING.sub(b"", body)) > MOST_PARTS:
        raise MalformedBody(f"The body has more than {MOST_PARTS} objects, arrays and keys.")


def _parts(body: bytes) -> int:
    """How many objects, arrays and keys it can have."""
    return body.count(b"{") + body.count(b"[") + body.count(b":")


def _check_media_type(header: str) -> None:
    media_type = header.partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType(
            f"Send content-type: application/json, not {media_type[:80] or 'nothing'!r}."
        )


def _check_encoding(header: str) -> None:
    if header.strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType(
            f"Send the body as it is, not with content-encoding: {header[:80]!a}.",
            headers={"accept-encoding": "identity"},
        )


def _too_large(limit_bytes: int) -> BodyTooLarge:
    # The rest of the body stays unread, so the connection cannot be reused.
    return BodyTooLarge(f"The body exceeds {limit_bytes} bytes.", headers={"connection": "close"})


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                name = ascii(key[:80])[1:-1]  # its Unicode is not validated yet
                raise InvalidValue(f"The key '{name}' appears twice in one object.", name)
            seen.add(key)
    return result


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):  # an engine would read null
        raise MalformedBody(f"The body holds {number[:80]}, which is too large a number.")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedBody(f"The body holds {name}, which is not JSON.")
