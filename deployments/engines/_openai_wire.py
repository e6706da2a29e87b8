"""The OpenAI wire format from the client's side: prompt -> body, events and statuses -> values.

Pure functions and one accumulator; nothing here sends anything.
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
    """The body of a streamed request. `extra` adds and replaces; its nulls remove."""
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
"""OpenAI's code for what does not fit; other servers that speak its API use it too."""


def error_from(model: str, status: int, retry_after: str | None, body: str) -> BackendError:
    """What an upstream's error status and body mean."""
    message, parameter = _error_facts(body)
    if status == 429:
        return Overloaded(model, 0, _retry_seconds(retry_after))
    if status in (400, 413, 422):
        too_long = status == 413 or _TOO_LONG in body
        return (PromptTooLong if too_long else InvalidPrompt)(parameter, message)
    if status in (401, 403):
        # Its text may quote the key.
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
        """The piece of the answer that an event carries, if any.

        Raises:
            BackendError: the event reports an error, or is not what it should be.
        """
        if self.done or event.strip() == _DONE:
            self.done = True
            return None
        try:
            return self._read(json.loads(event))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise Unavailable(self._model, f"upstream sent an unreadable event: {error}") from error

    def last(self, seconds: float) -> Chunk:
        """The chunk that ends the answer; `seconds` is how long it took.

        Without a usage from upstream the pieces are counted; the prompt's tokens are then 0.

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


def _logprobs(found: dict[str, Any]) -> tuple[TokenLogprob, ...]:
    if found.get("content"):  # chat
        return tuple(
            TokenLogprob(
                token["token"],
                token["logprob"],
                tuple((top["token"], top["logprob"]) for top in token.get("top_logprobs") or ()),
            )
            for token in found["content"]
        )
    tokens, values = found.get("tokens") or [], found.get("token_logprobs") or []
    tops = found.get("top_logprobs") or [{}] * len(tokens)
    return tuple(
        TokenLogprob(token, value, tuple((top or {}).items()))
        for token, value, top in zip(tokens, values, tops, strict=True)
        if value is not None
    )


def _error_facts(body: str) -> tuple[str, str]:
    """The message and the parameter of an error body, whatever its shape."""
    try:
        found = json.loads(body)
    except ValueError:
        return body[:300] or "no message", "messages"
    error = found.get("error", found) if isinstance(found, dict) else found
    if not isinstance(error, dict):
        return str(error)[:300], "messages"
    message = error.get("message") or error.get("detail") or error
    return str(message)[:300], str(error.get("param") or "messages")


def _retry_seconds(header: str | None) -> float:
    """`Retry-After` as seconds or as a date; one second where it is absent or nonsense."""
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
