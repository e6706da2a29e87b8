"""How many tokens vLLM worked on for an event of an answer, by the usage that each event has."""

import re

_PROMPT = re.compile(rb'"prompt_tokens":(\d+)')
_ANSWER = re.compile(rb'"completion_tokens":(\d+)')
_CHOICE = re.compile(rb'"index":(\d+)')
# Within a text a quotation mark stands behind a backslash: what a model says cannot match.


class WorkedTokens:
    """The tokens of one answer's events, in their order. The first comes when the prompt has been
    read. Tokens of it that vLLM knew from before count as well, since no event tells them apart."""

    def __init__(self) -> None:
        self._said: dict[bytes, int] = {}

    def of(self, event: bytes) -> int:
        """Those of an event: at least one, as something was computed for it."""
        prompt = 0 if self._said else _number(_PROMPT, event)
        choice = found[1] if (found := _CHOICE.search(event)) else b""
        before, now = self._said.get(choice, 0), _number(_ANSWER, event)
        self._said[choice] = max(before, now)
        return max(1, prompt + now - before)


def _number(pattern: re.Pattern[bytes], event: bytes) -> int:
    found = pattern.search(event)
    return int(found[1]) if found else 0
