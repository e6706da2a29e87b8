"""The tokens of one answer: the server's own counts, and where it gives none, what was seen.

A count that cannot be is none, or is cut to what can be, and counted as a fault: a bill, a budget
and a metric have what comes out here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from deployments.engines._openai_choices import Choice
from deployments.protocol import Usage, UsageFault

_MAX_COUNT = 2**53  # beyond it is no count; JSON has infinite numbers too
_MAX_TOKENS = 2**20  # of one choice, of a prompt's template and of an image, where nobody says less
_TEMPLATE_TOKENS = 2**13
_IMAGE_TOKENS = 2**16
_MEDIA = (b'"image_url"', b'"input_audio"', b'"file"')

_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_DETAILS = "prompt_tokens_details"
_CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")
"""What servers call the prompt's tokens that they had before: Moonshot, DeepSeek, Anthropic."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many tokens an answer can have: by the bytes that were sent, and by its limit."""

    prompt_tokens: int = _MAX_COUNT
    completion_tokens: int = _MAX_COUNT


UNBOUNDED = Bounds()


def most_prompt_tokens(body: bytes) -> int:
    """How many tokens a request's prompt can have: one for each byte, and what a template adds;
    many for an image, however few bytes it has."""
    media = sum(body.count(mark) for mark in _MEDIA)
    return len(body) + _TEMPLATE_TOKENS + media * _IMAGE_TOKENS


def most_completion_tokens(limit: int, choices: int) -> int:
    """How many tokens all choices can have together; 0: the request has no limit."""
    return (limit or _MAX_TOKENS) * choices


class Tally:
    """Counts the tokens of one answer while it comes.

    Args:
        bounds: what can be; more than that is only what was seen.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.tokens = 0
        self._bounds = bounds
        self._seen = 0
        self._given: dict[str, Any] = {}

    def add(self, seen: int, usage: Raw | None = None) -> int:
        """The tokens of the next event: what it adds to the server's own count so far, if that is
        given with it, otherwise what was `seen` in it."""
        given = _object(usage)
        if given:
            self._given = given
        self._seen += seen
        total = self._generated(given)
        tokens = max(0, total - self.tokens) if total else seen
        self.tokens += tokens
        return tokens

    def add_whole(self, estimated: int, usage: Raw | None) -> int:
        """The tokens of a whole answer: the server's count, or an estimate of what can be."""
        return self.add(min(estimated, self._bounds.completion_tokens), usage)

    @property
    def prompt_tokens(self) -> int | None:
        """Those of the prompt, if the server said; all, where none were generated."""
        return min(self._told_prompt, self._bounds.prompt_tokens) or None

    def usage(self, engine_seconds: float, prefill_seconds: float | None = None) -> Usage:
        """What the server said, or what was counted. An unknown number of prompt tokens is 0."""
        return Usage(
            prompt_tokens=self.prompt_tokens or 0,
            completion_tokens=self._completion_tokens,
            cached_tokens=self._cached_tokens,
            engine_seconds=engine_seconds,
            prefill_seconds=prefill_seconds,
            faults=tuple(self._faults()),
        )

    def as_json(self) -> Raw:
        """The answer's `usage`: the server's own with all that it holds, and what it lacks."""
        prompt, completion = self.prompt_tokens or 0, self._completion_tokens
        counts: dict[str, Any] = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        details, cached = self._given.get(_DETAILS), self._cached_tokens
        if (_get(details, "cached_tokens") or 0) != cached:
            kept = details if isinstance(details, dict) else {}
            counts[_DETAILS] = kept | {"cached_tokens": cached}
        return Raw(msgspec.json.encode(self._given | counts))

    @property
    def _told_prompt(self) -> int:
        of_all = 0 if self._completion_tokens else _count(self._given, "total_tokens")
        return _count(self._given, "prompt_tokens") or of_all

    @property
    def _completion_tokens(self) -> int:
        return self._generated(self._given) or self.tokens

    @property
    def _cached_tokens(self) -> int:
        return min(_told_cached(self._given), self.prompt_tokens or 0)

    def _generated(self, given: dict[str, Any]) -> int:
        """The generated tokens that a usage tells, of those that there can be."""
        most = max(self._bounds.completion_tokens, self._seen)
        return min(_told_generated(given), most)

    def _faults(self) -> Iterable[UsageFault]:
        given = self._given
        details = given.get(_DETAILS)
        told = [*(given.get(name) for name in (*_COUNTS, *_CACHED)), _get(details, "cached_tokens")]
        if any(value is not None and not _is_count(value) for value in told):
            yield "invalid"
        prompt, total = _count(given, "prompt_tokens"), _count(given, "total_tokens")
        generated = _told_generated(given)
        if self._told_prompt > self._bounds.prompt_tokens or generated > self._generated(given):
            yield "too_many"
        no_sum = prompt and total not in (0, prompt + generated)
        if no_sum or _told_cached(given) > self._told_prompt:
            yield "contradictory"


def usage_elsewhere(x_groq: Raw | None, choices: Iterable[Choice]) -> Raw | None:
    """The usage of servers that put it where OpenAI does not: Groq's, Moonshot's."""
    found = [choice.usage for choice in choices if bytes(choice.usage)]
    if x_groq is not None:
        found += [value for key, value in _fields(x_groq).items() if key == "usage"]
    return found[0] if found else None


def _told_generated(given: dict[str, Any]) -> int:
    """The generated tokens; with those of reasoning where the server, as xAI's, counts them apart,
    which its total says."""
    told = _count(given, "completion_tokens")
    reasoning = _count(given.get("completion_tokens_details"), "reasoning_tokens")
    apart = _count(given, "prompt_tokens") + told + reasoning
    return told + reasoning if _count(given, "total_tokens") == apart else told


def _told_cached(given: dict[str, Any]) -> int:
    in_details = _count(given.get(_DETAILS), "cached_tokens")
    return in_details or next(filter(None, (_count(given, name) for name in _CACHED)), 0)


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


def _get(values: Any, key: str) -> Any:
    return values.get(key) if isinstance(values, dict) else None


def _is_count(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 <= value < _MAX_COUNT and value == int(value)


def _count(values: Any, key: str) -> int:
    """A number of tokens; 0 if there is none."""
    value = _get(values, key)
    return int(value) if _is_count(value) else 0
