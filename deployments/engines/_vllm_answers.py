"""What differs between vLLM's events and OpenAI's. Without I/O."""

from typing import Any

import msgspec

_ENDS = b'"finish_reason":"stop"'
_LOGPROBS = (b'"logprobs":{"content"', b'"logprobs":{"text_offset"')
_DATA = b"data: "


def without_end_token(event: bytes) -> bytes:
    """An event without the log-probability of the token that ended a choice, which has no text."""
    if _ENDS not in event or not any(mark in event for mark in _LOGPROBS):
        return event
    fields: dict[str, Any] = msgspec.json.decode(event.removeprefix(_DATA))
    for choice in fields["choices"]:
        ended = choice["finish_reason"] == "stop" and choice.get("stop_reason") is None
        if ended and choice.get("logprobs"):
            for items in choice["logprobs"].values():
                if items:
                    items.pop()
    return _DATA + msgspec.json.encode(fields) + b"\n\n"
