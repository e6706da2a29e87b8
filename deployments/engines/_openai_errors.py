"""What a server's errors mean: its statuses, its error bodies, and errors inside a stream.

Servers agree on the status codes and on little else: the error is an object under `error`, a string
there, or the body itself. What they say may hold addresses and keys, so an error has words of ours
for the client, and theirs for the log alone: cut, and without what looks like a secret. Pure
functions, but for the time of a `Retry-After` that is a date.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
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

_TOO_LONG_CODES = frozenset(
    {
        "context_length_exceeded",  # OpenAI, and most that follow it
        "context_window_exceeded",
        "exceed_context_size_error",  # llama.cpp
        "request_too_large",  # Anthropic
    }
)
_TOO_LONG_WORDS = re.compile(
    r"maximum context (length|limit)|maximum (prompt|input) length|range of input length"
    r"|(exceed\w*|longer than|greater than) .{0,60}(context|model) ?(length|size|window|limit)"
    r"|context ?(length|size|window) (has been )?exceed|length of only \d+ tokens"
    r"|(prompt|input) (is )?too (long|large)|prompt exceeds max"
    r"|\b(input|prompt)( token)? (length|count|tokens)\b.{0,40}exceed|model token limit"
    r"|`inputs`( tokens \+ `max_new_tokens`)? must (be|have)"
    r"|reduce the length of the (messages|prompt|input)|tokens in the prompt cannot exceed"
    r"|must be at least 1, got -\d",  # vLLM once gave what the prompt leaves as the limit
    re.IGNORECASE,
)
"""How servers say it in words alone: `tests/deployments/engines/overflow_texts.json` has theirs."""

_RATE_WORDS = re.compile(
    r"per[ -](second|minute|min\b|hour|day)|rate.?limit|quota|throttl|too many requests",
    re.IGNORECASE,
)
"""Limits that mention tokens, and are none of the prompt's length."""

_WORDS = {
    "content_filter": "the filter of the model's server refuses it",
    "content_policy_violation": "the filter of the model's server refuses it",
    "unsupported_parameter": "the model's server does not take it",
    "unsupported_value": "the model's server does not take this value",
}
_REFUSED = "the model's server refuses it"
_TOO_LONG = "with its answer it exceeds the model's context; shorten it, or ask for less"

_SECRETS = re.compile(
    r"((?:authorization\W{1,4})?\b(?:bearer|basic) +|authorization\W{1,4}|\b(?:sk|pk)-"
    r"|api[-_]?key\W{1,4})[^\s\"',;}]+|(://[^/\s:@]*:)[^/\s@]+(?=@)",
    re.IGNORECASE,
)
_NAME = re.compile(r"([a-z_]+)[\w.\[\]]{0,80}")
_MAX_WORDS = 300
_MAX_RETRY_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Blame:
    """What an error may name.

    Attributes:
        sent: the body of the request.
        default: the parameter to blame where a server names none that is in it.
        key: what is hidden in the server's words.
    """

    sent: bytes
    default: str = "messages"
    key: str | None = None


def error_from(
    model: str, status: int, body: str, blame: Blame, retry_after_seconds: float | None = None
) -> BackendError:
    """The exception for an upstream's error status and body."""
    error = _parsed(body)
    marks, words = _marks(error), _words(error)
    detail = _hidden(words, blame.key)
    if status in (401, 403):
        # The message may contain the key.
        return Unavailable(model, f"upstream refused the credentials ({status})")
    if status == 429 or any(_STATUSES.get(mark) == 429 for mark in marks):
        return Overloaded(model, 0, 1.0 if retry_after_seconds is None else retry_after_seconds)
    parameter = _parameter(error, blame)
    if status == 413 or _is_too_long(marks, words, named=parameter.startswith(blame.default)):
        return PromptTooLong(parameter, _TOO_LONG, detail)
    if status in (400, 422):
        reason = next((_WORDS[mark] for mark in marks if mark in _WORDS), _REFUSED)
        return InvalidPrompt(parameter, reason, detail)
    return Unavailable(model, f"upstream answered {status}: {detail}", retry_after_seconds)


def event_error(model: str, event: bytes, blame: Blame) -> BackendError:
    """The exception for an event, or an answer with status 200, that is an error."""
    text = event.decode("utf-8", errors="replace")
    return error_from(model, _status(_parsed(text)), text, blame)


def retry_seconds(headers: Mapping[str, str]) -> float | None:
    """When to ask again, by the headers of a response, an hour at most; None: they do not say, or
    nonsense."""
    milliseconds = _number(headers.get("retry-after-ms"))
    said = headers.get("retry-after")
    seconds = _until(said) if milliseconds is None else milliseconds / 1000
    return None if seconds is None else min(max(0.0, seconds), _MAX_RETRY_SECONDS)


def _until(said: str | None) -> float | None:
    """`Retry-After`, given in seconds or as a date."""
    if not said or (seconds := _number(said)) is not None:
        return seconds if said else None
    try:
        return (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None


def _number(said: str | None) -> float | None:
    try:
        number = float(said or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _parsed(text: str) -> Any:
    """The error object in a body of any shape; the text itself if there is none."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(parsed, list) and len(parsed) == 1:  # Gemini
        parsed = parsed[0]
    if not isinstance(parsed, dict):
        return parsed
    error = parsed.get("error")
    # TGI says what happened in `error` and its kind beside it.
    return parsed | {"message": error} if isinstance(error, str) else error or parsed


def _marks(error: Any) -> tuple[str, ...]:
    """The words of an error that are from a closed set of its server."""
    if not isinstance(error, dict):
        return ()
    values = (error.get(name) for name in ("code", "type", "error_type", "status"))
    return tuple(value for value in values if isinstance(value, str))


def _is_too_long(marks: tuple[str, ...], words: str, *, named: bool) -> bool:
    """Whether an error says that the prompt exceeds the context; `named`: it names the prompt."""
    if _TOO_LONG_CODES.intersection(marks) or ("string_above_max_length" in marks and named):
        return True
    if _RATE_WORDS.search(words):
        return False
    return "ContextWindowExceeded" in words or bool(_TOO_LONG_WORDS.search(words))


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


def _words(error: Any) -> str:
    """What an error of any shape says."""
    if not isinstance(error, dict):
        return str(error)
    said = error.get("message") or error.get("detail") or error
    if isinstance(said, list):  # pydantic's faults, of which each repeats the client's words
        said = "; ".join(str(fault.get("msg")) for fault in said if isinstance(fault, dict))
    return str(said)


def _parameter(error: Any, blame: Blame) -> str:
    """The parameter that an error names, if the request has it."""
    named = error.get("param") if isinstance(error, dict) else None
    found = _NAME.fullmatch(named) if isinstance(named, str) else None
    if found is None or f'"{found[1]}"'.encode() not in blame.sent:
        return blame.default
    return found[0]


def _hidden(words: str, key: str | None) -> str:
    """A server's words, without secrets, which some servers quote, and cut."""
    text = words.replace(key, "***") if key else words
    return _SECRETS.sub(r"\1\2***", text)[:_MAX_WORDS] or "no message"
