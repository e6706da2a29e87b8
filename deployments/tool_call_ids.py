"""The ids of tool calls: each carries the model that called, so that any gateway knows whose turn a
result continues, without a store.

An id is `call_`, eight hexadecimal digits for the model's name, `_`, and the engine's own id. The
engine's process marks the ids of an answer, and the gateway takes the marks off again before a
model reads them, since some chat templates fix an id's length. Clients see letters, digits, `_` and
`-` alone, as every dialect allows; a byte of another character, and of `-`, is `-` with two digits.
"""

import hashlib
import re
from functools import lru_cache

_MARKED = re.compile(r"call_(?P<tag>[0-9a-f]{8})_(?P<own>(?:\w|-[0-9a-f]{2})+)", re.ASCII)
_OTHER = re.compile(r"[^A-Za-z0-9_]")
_ESCAPED = re.compile(r"(?:-[0-9a-f]{2})+")


@lru_cache(maxsize=1024)
def tag_of(model: str) -> str:
    """What stands for a model in an id."""
    return hashlib.sha256(model.encode()).hexdigest()[:8]


def marked(own: str, model: str) -> str:
    """The id of an engine's tool call as clients get it."""
    return f"call_{tag_of(model)}_{_OTHER.sub(_escape, own)}"


def tag_in(call_id: str) -> str | None:
    """What stands for the model in an id; None: the call is of another gateway or server."""
    found = _MARKED.fullmatch(call_id)
    return found["tag"] if found else None


def own_id(call_id: str) -> str:
    """The engine's own id; one without a mark stays as it is."""
    found = _MARKED.fullmatch(call_id)
    return _ESCAPED.sub(_unescape, found["own"]) if found else call_id


def _escape(found: re.Match[str]) -> str:
    return "".join(f"-{byte:02x}" for byte in found[0].encode())


def _unescape(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("-", "")).decode("utf-8", "replace")
