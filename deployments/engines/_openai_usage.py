"""The tokens of one answer: the server's own counts, and where it gives none, what was seen."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from deployments.engines._openai_choices import Choice
from deployments.protocol import Usage

_MAX_COUNT = 2**53  # beyond it is no count; JSON has infinite numbers too


class Tally:
    """Counts the tokens of one answer while it comes."""

    def __init__(self) -> None:
        self.tokens = 0
        self._given: dict[str, Any] = {}

    def add(self, seen: int, usage: Raw | None = None) -> int:
        """The tokens of the next event: what it adds to the server's own count so far, if that is
        given with it, otherwise what was `seen` in it."""
        given = _object(usage)
        if given:
            self._given = given
        total = _count(given, "completion_tokens")
        tokens = max(0, total - self.tokens) if total else seen
        self.tokens += tokens
        return tokens

    @property
    def prompt_tokens(self) -> int | None:
        """Those of the prompt, if the server said; all, where none were generated."""
        of_all = 0 if self._completion_tokens else _count(self._given, "total_tokens")
        return _count(self._given, "prompt_tokens") or of_all or None

    def usage(self, engine_seconds: float, prefill_seconds: float | None = None) -> Usage:
        """What the server said, or what was counted. An unknown number of prompt tokens is 0."""
        details = self._given.get("prompt_tokens_details")
        cached = _count(details, "cached_tokens") or _count(self._given, "prompt_cache_hit_tokens")
        return Usage(
            prompt_tokens=self.prompt_tokens or 0,
            completion_tokens=self._completion_tokens,
            cached_tokens=cached,
            engine_seconds=engine_seconds,
            prefill_seconds=prefill_seconds,
        )

    def as_json(self) -> Raw:
        """The answer's `usage`: the server's own with all that it holds, and what it lacks."""
        prompt, completion = self.prompt_tokens or 0, self._completion_tokens
        total = _count(self._given, "total_tokens") or prompt + completion
        counts = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": total,
        }
        return Raw(msgspec.json.encode(self._given | counts))

    @property
    def _completion_tokens(self) -> int:
        return _count(self._given, "completion_tokens") or self.tokens


def usage_elsewhere(x_groq: Raw | None, choices: Iterable[Choice]) -> Raw | None:
    """The usage of servers that put it where OpenAI does not: Groq's, Moonshot's."""
    found = [choice.usage for choice in choices if bytes(choice.usage)]
    if x_groq is not None:
        found += [value for key, value in _fields(x_groq).items() if key == "usage"]
    return found[0] if found else None


def _fields(value: Raw) -> dict[str, Raw]:
    try:
        return msgspec.json.decode(value, type=dict[str, Raw])
    except ValueError:
        return {}


def _object(value: Raw | None) -> dict[str, Any]:
    """A JSON object; nothing for anything else, since a wrong usage must not cost the answer."""
    if value is None:
        return {}
    decoded = msgspec.json.decode(value)
    return decoded if isinstance(decoded, dict) else {}


def _count(values: Any, key: str) -> int:
    """A number of tokens; 0 if there is none."""
    value = values.get(key) if isinstance(values, dict) else None
    return int(value) if isinstance(value, (int, float)) and 0 < value < _MAX_COUNT else 0
