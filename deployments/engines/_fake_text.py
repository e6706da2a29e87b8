"""Texts that follow a form, without a model: short, and the same for the same words."""

import string
from collections.abc import Sequence
from random import Random
from typing import Any

from deployments.answer_forms import Form, matcher_of
from deployments.protocol import InvalidPrompt

_LETTERS = frozenset(string.ascii_lowercase.encode())
_CLOSING = b'}],"'  # in the order in which they are preferred
_AVOIDED = frozenset(b"\\<")
_QUOTE = ord('"')
_LETTERS_OF_A_STRING = 6
_LONG, _TOO_LONG = 500, 4_000
"""Bytes after which the same choice is made each time, so that a recursion ends; and after which
the search ends."""


def text_of(form: Form, words: str, begins: Sequence[str] = ()) -> str:
    """A text that follows a form.

    Args:
        form: which one.
        words: what the text depends on.
        begins: how its parts begin, one after the other; those that the form does not allow are
            left out.

    Raises:
        InvalidPrompt: there is none, or none is found.
    """
    matcher, said, drawn = matcher_of(form), bytearray(), Random(words)
    for begin in begins or ("",):
        start = begin.encode()
        if matcher.validate_tokens([*start]) == len(start):
            said += _fed(matcher, start)
            _finish(matcher, said, drawn)
    if not matcher.is_accepting():
        raise InvalidPrompt(form.parameter, "engine fake finds no answer that follows it")
    return said.decode()


def _finish(matcher: Any, said: bytearray, drawn: Random) -> None:
    """Goes on to where the form allows an end."""
    letters = 0
    while not matcher.is_accepting() and len(said) < _TOO_LONG:
        if forced := matcher.compute_ff_bytes():
            said += _fed(matcher, forced)
            letters = 0
            continue
        bias = matcher.compute_logit_bias()
        allowed = [byte for byte in range(256) if bias[byte]]
        if not allowed:  # a part of the form that nothing is valid against
            return
        letters = letters + 1 if set(allowed) >= _LETTERS else 0
        choice = _choice(allowed, letters)
        said += _fed(matcher, bytes([choice[0] if len(said) > _LONG else drawn.choice(choice)]))


def _choice(allowed: Sequence[int], letters: int) -> list[int]:
    """What may come next; `letters`: how many have followed each other with this one, where any
    letter may be."""
    if 0 < letters <= _LETTERS_OF_A_STRING:
        return sorted(_LETTERS)
    closing = [byte for byte in _CLOSING if byte in allowed]
    if letters:
        closing = [byte for byte in closing if byte == _QUOTE]
    return closing[:1] or [byte for byte in allowed if byte not in _AVOIDED] or list(allowed)


def _fed(matcher: Any, data: bytes) -> bytes:
    matcher.consume_tokens([*data])
    return data
