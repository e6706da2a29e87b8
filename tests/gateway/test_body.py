"""`gateway.body`: bytes that are, and are not, a JSON object."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from gateway.body import INLINE_BYTES, MOST_PARTS, decode_object, read_body, read_parsed
from gateway.config import GatewaySection
from gateway.errors import (
    BodyTooSlow,
    GatewayError,
    InvalidValue,
    MalformedBody,
    UnsupportedMediaType,
)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"[]", id="array"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"a": NaN}', id="nan"),
        pytest.param(b'{"a": -Infinity}', id="infinity"),
        pytest.param(b'{"a": [-1e400]}', id="number-that-becomes-infinite"),
        pytest.param(b'{"a": "\xff"}', id="not-utf8"),
        pytest.param(b'{"a": "\\ud800"}', id="lone-surrogate"),
        pytest.param(b'{"\\udfff": 1}', id="lone-surrogate-in-key"),
        pytest.param(b'{"a": ' + b"1" * 5000 + b"}", id="too-many-digits"),
        pytest.param(b'{"a": ' + b"[" * 100_000, id="too-deep"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', id="byte-order-mark"),
        pytest.param(b'{"a": [' + b"{}," * MOST_PARTS + b"1]}", id="objects-without-end"),
        pytest.param(b'{"a": [' + b"[]," * MOST_PARTS + b"1]}", id="arrays-without-end"),
        pytest.param(
            b"{%s}" % b",".join(b'"%d":1' % number for number in range(MOST_PARTS + 1)),
            id="keys-without-end",
        ),
        pytest.param(
            b":" * (MOST_PARTS + 1) + b'"' + b'\\"' * 2_000_000, id="string-of-quotes-without-end"
        ),
        pytest.param(
            b'{"' + b":" * (MOST_PARTS + 1) + b'\\"' * 2_000_000, id="key-of-quotes-without-end"
        ),
        pytest.param(b'{"' + b":" * (MOST_PARTS + 1) + b"\\", id="ends-in-a-backslash"),
    ],
)
def test_what_is_no_json_object_is_refused(body):
    """A body that is not strictly a JSON object is malformed."""
    with pytest.raises(MalformedBody):
        decode_object(body)


@pytest.mark.parametrize("body", [b'{"a": 1, "a": 2}', b'{"b": [{"\\ud800": 1, "\\ud800": 1}]}'])
def test_duplicated_keys_are_refused(body):
    """A key that stands twice in one object is refused by a name that can be encoded."""
    with pytest.raises(InvalidValue) as caught:
        decode_object(body)

    assert caught.value.parameter in {"a", "\\ud800"}


def test_surrogate_pairs_are_characters():
    """An escaped surrogate pair is one character."""
    assert decode_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_what_stands_in_a_text_is_no_part():
    """JSON, or a table, as the text of a message, with all that JSON escapes; and a long list of
    numbers."""
    text = '{"a": [\\"b\\", "c\\\\"]}\n' * MOST_PARTS
    given = {"messages": [{"content": text}], "input": [1] * MOST_PARTS}

    assert decode_object(json.dumps(given).encode()) == given


def test_errors_do_not_repeat_the_body():
    """A parse error says where, and repeats nothing of the body."""
    with pytest.raises(GatewayError) as caught:
        decode_object(b'{"secret": oops}')

    assert "secret" not in caught.value.message


async def test_a_body_that_never_ends_is_given_up():
    """A client that sends its body too slowly does not hold a slot for ever."""
    pieces = [{"type": "http.request", "body": b"{", "more_body": True}]

    async def receive():
        return pieces.pop() if pieces else await asyncio.Event().wait()

    with pytest.raises(BodyTooSlow):
        await read_body({"headers": [(b"content-type", b"application/json")]}, receive, 99, 0.01)


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"identity, gzip", b"Zstd"])
async def test_a_compressed_body_is_refused_unread(encoding):
    """What is small as it comes might be large; nothing of it is read."""
    headers = [(b"content-type", b"application/json"), (b"content-encoding", encoding)]

    async def receive():
        raise AssertionError

    with pytest.raises(UnsupportedMediaType) as caught:
        await read_body({"headers": headers}, receive, 99, 1)

    assert caught.value.headers == {"accept-encoding": "identity"}


@pytest.mark.parametrize("encoding", [b"identity", b" Identity ", b""])
async def test_a_body_as_it_is_may_say_so(encoding):
    """That is no compression."""
    headers = [(b"content-type", b"application/json"), (b"content-encoding", encoding)]

    async def receive():
        return {"type": "http.request", "body": b"{}"}

    assert await read_body({"headers": headers}, receive, 99, 1) == b"{}"


@pytest.mark.parametrize(
    ("size", "apart"),
    [
        pytest.param(INLINE_BYTES, False, id="small"),
        pytest.param(INLINE_BYTES + 1, True, id="large"),
    ],
)
async def test_a_large_body_is_parsed_on_another_thread(size, apart):
    """Its bytes are decoded and validated there, once; a smaller one stays on the event loop."""
    handed_over: list[int] = []

    async def in_thread(work: Callable[[], int]) -> int:
        handed_over.append(await asyncio.to_thread(work))
        return handed_over[-1]

    async def receive():
        return {"type": "http.request", "body": b"{%b}" % (b" " * (size - 2))}

    def parse(_fields: dict[str, Any]) -> int:
        return threading.get_ident()

    scope = {"headers": [(b"content-type", b"application/json")]}

    ran_on = await read_parsed(scope, receive, GatewaySection(), parse, in_thread)

    assert (ran_on != threading.get_ident()) == apart
    assert handed_over == [ran_on] * apart


async def test_an_error_of_a_large_body_is_the_same():
    """The other thread raises what the event loop would."""
    body = b'{"a": "%b", "a": 1}' % (b"x" * INLINE_BYTES)

    async def receive():
        return {"type": "http.request", "body": body}

    scope = {"headers": [(b"content-type", b"application/json")]}

    with pytest.raises(InvalidValue) as caught:
        await read_parsed(scope, receive, GatewaySection(), dict)

    assert caught.value.parameter == "a"
