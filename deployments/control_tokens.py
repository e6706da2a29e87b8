"""Control tokens that somebody writes into a message stay text.

A chat template separates messages with control tokens, such as `<|im_start|>`. A tokenizer takes
the same letters in a message for the same token, so that a message could end itself and begin one
of the system. An invisible character inside keeps the letters apart.
"""

import re
from collections.abc import Iterable
from typing import Any

_JOINER = "\u2060"  # "word joiner": has no width and allows no line break
_SHORTEST = 3  # a shorter one would be found in every other text


class ControlTokens:
    """The control tokens of one model, as they are written."""

    def __init__(self, tokens: Iterable[str]) -> None:
        longest_first = sorted(
            (t for t in set(tokens) if len(t) >= _SHORTEST), key=len, reverse=True
        )
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def as_text(self, value: Any) -> Any:
        """The same value of JSON, in whose strings no control token can be read."""
        match value:
            case str():
                return self._pattern.sub(_apart, value)
            case list():
                return [self.as_text(item) for item in value]
            case dict():
                return {self.as_text(key): self.as_text(item) for key, item in value.items()}
        return value


def _apart(found: re.Match[str]) -> str:
    token = found[0]
    return f"{token[0]}{_JOINER}{token[1:]}"
