"""Explains the scores of one text by occlusion: what changes when a part of it is left out.

Rule: the parts are the words, or in a text of more than 40 words its lines and sentences. All texts
with a part left out are scored in one batch of at most 48. That is for an explanation that somebody
asked for, never for a request that is only routed.
"""

import math
import re
from collections.abc import Callable, Sequence

from router.request_text import SYSTEM_LABEL, USER_LABEL
from router.types import Piece, Scores

_MOST_WORDS = 40
_MOST_SENTENCES = 24
"""Of the system prompt, and of the user's words."""
_MOST_IN_SENTENCE = 15
"""Words; longer sentences are divided."""

# A word without end, such as a number in base 64, is divided.
_WORD = re.compile(r"\s*\S{1,40}\s*")
_LAST_IN_SENTENCE = re.compile(r"\n|[.!?;]\s+$")


def effects(
    text: str, labelled: bool, score: Callable[[Sequence[str]], Sequence[Scores]]
) -> tuple[Piece, ...]:
    """The parts of a text, each with its effect on the probability of the likeliest domain.

    Args:
        text: as it is encoded, not empty.
        labelled: whether it has the labels of `request_text`, which are never left out.
        score: the scores of texts as they are; called once. A text may be empty.
    """
    sections = _sections(text) if labelled else [(text, True)]
    parts = _parts(sections)
    places = [place for place, (_, said) in enumerate(parts) if said]
    whole, *without = score([text, *(_without(parts, place) for place in places)])
    domain = max(whole.probabilities, key=whole.probabilities.__getitem__)
    found: list[float | None] = [None] * len(parts)
    for place, scores in zip(places, without, strict=True):
        found[place] = whole.probabilities[domain] - scores.probabilities.get(domain, 0.0)
    return tuple(Piece(part, effect) for (part, _), effect in zip(parts, found, strict=True))


Section = tuple[str, bool]
"""A part of the text, and whether somebody said it: a label is the router's own."""


def _sections(text: str) -> list[Section]:
    """The system prompt and the user's words, each after its label."""
    above, _, said = text.removeprefix(SYSTEM_LABEL).partition(USER_LABEL)
    return [(SYSTEM_LABEL, False), (above, True), (USER_LABEL, False), (said, True)]


def _parts(sections: Sequence[Section]) -> list[Section]:
    words = sum(len(_WORD.findall(text)) for text, said in sections if said)
    divide = _WORD.findall if words <= _MOST_WORDS else _sentences
    parts: list[Section] = []
    for text, said in sections:
        parts += [(part, True) for part in divide(text)] if said else [(text, False)]
    return parts


def _sentences(text: str) -> list[str]:
    """The lines and sentences of a text; neighbours are joined where there are too many."""
    sentences: list[list[str]] = [[]]
    for word in _WORD.findall(text):
        if len(sentences[-1]) == _MOST_IN_SENTENCE:
            sentences.append([])
        sentences[-1].append(word)
        if _LAST_IN_SENTENCE.search(word):
            sentences.append([])
    joined = ["".join(words) for words in sentences if words]
    size = math.ceil(len(joined) / _MOST_SENTENCES)
    return ["".join(joined[start : start + size]) for start in range(0, len(joined), size or 1)]


def _without(parts: Sequence[Section], left_out: int) -> str:
    return "".join(part for place, (part, _) in enumerate(parts) if place != left_out).strip()
