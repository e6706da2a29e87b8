"""The OpenAI wire format on the client's side: builds bodies, decodes events and errors.

Pure functions and one accumulator, without I/O.
"""

import json
import math
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from deployments.protocol import (
    BackendError,
    Chunk,
    FinishReason,
    InvalidPrompt,
    Overloaded,
    Prompt,
    PromptTooLong,
    TokenLogprob,
    Unavailable,
    Usage,
)

_DONE = "[DONE]"


def request_body(prompt: Prompt, model: str, extra: dict[str, Any]) -> dict[str, Any]:
    """The body of a streamed request. `extra` adds or replaces keys; its nulls remove them."""
    sampling = prompt.sampling
    body: dict[str, Any] = {
        "model": model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "presence_penalty": sampling.presence_penalty or None,
        "frequency_penalty": sampling.frequency_penalty or None,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
    }
    if prompt.text is None:
        body["messages"] = [asdict(message) for message in prompt.messages]
        if sampling.top_logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": sampling.top_logprobs}
    else:
        body |= {"prompt": prompt.text, "logprobs": sampling.top_logprobs}
    return {key: value for key, value in (body | extra).items() if value is not None}


_TOO_LONG = "context_length_exceeded"
"""OpenAI's error code for a prompt that is too long; compatible servers use it too."""


def error_from(model: str, status: int, retry_after: str | None, body: str) -> BackendError:
    """The exception for an upstream's error status and body."""
    message, parameter = _error_facts(body)
    if status == 429:
        return Overloaded(model, 0, _retry_seconds(retry_after))
    if status in (400, 413, 422):
        too_long = status == 413 or _TOO_LONG in body
        return (PromptTooLong if too_long else InvalidPrompt)(parameter, message)
    if status in (401, 403):
        # The message may contain the key.
        return Unavailable(model, f"upstream refused the credentials ({status})")
    return Unavailable(model, f"upstream answered {status}: {message}")


class EventDecoder:
    """Turns an upstream's events into chunks; finish reason and usage come with the last one."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._finish: FinishReason | None = None
        self._usage: dict[str, Any] = {}
        self.tokens = 0
        self.done = False

    def read(self, event: str) -> Chunk | None:
        """The chunk in an event, if any.

        Raises:
            BackendError: the event reports an error, or is malformed.
        """
        if self.done or event.strip() == _DONE:
            self.done = True
            return None
        try:
            return self._read(json.loads(event))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise Unavailable(self._model, f"upstream sent an unreadable event: {error}") from error

    def last(self, seconds: float) -> Chunk:
        """The chunk that ends the answer; `seconds` is the duration of the request.

        If upstream sends no usage, events are counted as tokens; prompt tokens are then 0.

        Raises:
            Unavailable: upstream closed the stream before the answer was complete.
        """
        if self._finish is None and not self.done:
            raise Unavailable(
                self._model, "upstream ended the stream before the answer was complete"
            )
        cached = (self._usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        self.tokens = int(self._usage.get("completion_tokens") or self.tokens)
        usage = Usage(
            prompt_tokens=int(self._usage.get("prompt_tokens") or 0),
            completion_tokens=self.tokens,
            cached_tokens=int(cached),
            engine_seconds=seconds,
        )
        return Chunk(finish_reason=self._finish or "stop", usage=usage)

    def _read(self, event: dict[str, Any]) -> Chunk | None:
        if event.get("error"):
            code = event["error"].get("code") if isinstance(event["error"], dict) else None
            status = code if isinstance(code, int) else 500
            raise error_from(self._model, status, None, json.dumps(event))
        self._usage = event.get("usage") or self._usage
        if not event.get("choices"):
            return None
        choice = event["choices"][0]
        if choice.get("finish_reason"):
            self._finish = "length" if choice["finish_reason"] == "length" else "stop"
        chat = "delta" in choice
        text = (choice["delta"] or {}).get("content") if chat else choice.get("text")
        logprobs = _logprobs(choice.get("logprobs") or {})
        if not text and not logprobs:
            return None
        tokens = len(logprobs) or 1
        self.tokens += tokens
        return Chunk(text or "", tokens, logprobs=logprobs)


def _logprobs(logprobs: dict[str, Any]) -> tuple[TokenLogprob, ...]:
    if logprobs.get("content"):  # chat
        return tuple(
            TokenLogprob(
                token["token"],
                token["logprob"],
                tuple((top["token"], top["logprob"]) for top in token.get("top_logprobs") or ()),
            )
            for token in logprobs["content"]
        )
    tokens, values = logprobs.get("tokens") or [], logprobs.get("token_logprobs") or []
    tops = logprobs.get("top_logprobs") or [{}] * len(tokens)
    return tuple(
        TokenLogprob(token, value, tuple((top or {}).items()))
        for token, value, top in zip(tokens, values, tops, strict=True)
        if value is not None
    )


def _error_facts(body: str) -> tuple[str, str]:
    """The message and the parameter of an error body of any shape."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return body[:300] or "no message", "messages"
    error = parsed.get("error", parsed) if isinstance(parsed, dict) else parsed
    if not isinstance(error, dict):
        return str(error)[:300], "messages"
    message = error.get("message") or error.get("detail") or error
    return str(message)[:300], str(error.get("param") or "messages")


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
