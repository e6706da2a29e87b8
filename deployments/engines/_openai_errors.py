"""What a server's errors mean: its statuses, its error bodies, and errors inside a stream.

Servers agree on the status codes and on little else: the error is an object under `error`, a string
there, or the body itself. Pure functions.
"""

import json
import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from deployments.protocol import (
    BackendError,
    InvalidPrompt,
    Overloaded,
    PromptTooLong,
    Unavailable,
)

_TOO_LONG = (
    "context_length_exceeded",  # OpenAI, and most that follow it
    "exceed_context_size_error",  # llama.cpp
    "maximum context length",  # vLLM says it in words alone
)

_STATUSES = {
    "context_length_exceeded": 400,
    "invalid_request_error": 400,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "overloaded_error": 429,
    "overloaded": 429,
}
"""The status that a server would have answered with, by the `code` or `type` of an error inside a
stream, which has no status of its own."""

_MAX_WORDS = 300


def error_from(
    model: str,
    status: int,
    retry_after: str | None,
    body: str,
    key: str | None = None,
    default: str = "messages",
) -> BackendError:
    """The exception for an upstream's error status and body; `key` is hidden in its words, and
    `default` is the parameter to blame if they name none."""
    message, parameter = _error_facts(body, key)
    parameter = parameter or default
    if status == 429:
        return Overloaded(model, 0, _retry_seconds(retry_after))
    if status in (400, 413, 422):
        too_long = status == 413 or any(mark in body for mark in _TOO_LONG)
        return (PromptTooLong if too_long else InvalidPrompt)(parameter, message)
    if status in (401, 403):
        # The message may contain the key.
        return Unavailable(model, f"upstream refused the credentials ({status})")
    return Unavailable(model, f"upstream answered {status}: {message}")


def event_error(
    model: str, event: bytes, key: str | None = None, default: str = "messages"
) -> BackendError:
    """The exception for an event, or an answer with status 200, that is an error."""
    text = event.decode("utf-8", errors="replace")
    return error_from(model, _status(_parsed(text)), None, text, key, default)


def _parsed(text: str) -> Any:
    """The error object in a body of any shape; the text itself if there is none."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(parsed, dict):
        return parsed
    error = parsed.get("error")
    # TGI says what happened in `error` and its kind beside it.
    return parsed | {"message": error} if isinstance(error, str) else error or parsed


def _status(error: Any) -> int:
    """The status that an error inside a stream stands for; 500 if it does not say."""
    if not isinstance(error, dict):
        return 500
    for name in ("code", "status", "status_code", "type", "error_type"):
        value = error.get(name)
        if isinstance(value, str):
            value = int(value) if value.isdecimal() and len(value) == 3 else _STATUSES.get(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return 500


def _error_facts(body: str, key: str | None) -> tuple[str, str]:
    """The message and the parameter, if one is named, of an error body of any shape."""
    error = _parsed(body)
    if not isinstance(error, dict):
        return _hidden(error, key) or "no message", ""
    message = error.get("message") or error.get("detail") or error
    return _hidden(message, key), _hidden(error.get("param") or "", key)


def _hidden(words: Any, key: str | None) -> str:
    """A server's words, cut, and without the key, which some servers quote."""
    text = str(words)
    return (text.replace(key, "***") if key else text)[:_MAX_WORDS]


def _retry_seconds(header: str | None) -> float:
    """`Retry-After`, given in seconds or as a date; one second if absent or invalid."""
    if not header:
        return 1.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 1.0
    return max(0.0, seconds) if math.isfinite(seconds) else 1.0
