"""Noisy copies of prompts: with typos, and in polite phrases.

A router trained only on clean prompts treats typos and greetings as out of distribution. Each copy
is drawn from its text, so that the same rows give the same artifact. The phrases differ from those
of the benchmark that measures their effect.

A typo swaps, drops or doubles letters, or hits the neighbouring key. Its function takes a word, the
index of a letter and a random generator.
"""

import hashlib
import random
import re
from collections.abc import Callable

import numpy as np

from lab.routing.fit import Part
from router.classifier import TextEncoder
from router.conversation import DecidingTexts

Typo = Callable[[str, int, random.Random], str]

_ONE_TYPO_BELOW = 60
"""Characters; a longer prompt gets two typos."""

_NEIGHBOURS = {
    letter: row[max(0, place - 1) : place] + row[place + 1 : place + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for place, letter in enumerate(row)
}


def swapped(word: str, at: int, rng: random.Random) -> str:
    """Swaps two letters."""
    del rng
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def dropped(word: str, at: int, rng: random.Random) -> str:
    """Drops a letter."""
    del rng
    return word[:at] + word[at + 1 :]


def doubled(word: str, at: int, rng: random.Random) -> str:
    """Doubles a letter."""
    del rng
    return word[: at + 1] + word[at:]


def mistyped(word: str, at: int, rng: random.Random) -> str:
    """Replaces a letter by that of a neighbouring key; unchanged if none is known."""
    near = _NEIGHBOURS.get(word[at].lower())
    return word if near is None else word[:at] + rng.choice(near) + word[at + 1 :]


def with_typos(typo: Typo) -> Callable[[str, random.Random], str]:
    """One typo in a short text, two in a longer one, each in a word of four letters or more."""

    def change(text: str, rng: random.Random) -> str:
        for _ in range(1 if len(text) < _ONE_TYPO_BELOW else 2):
            words = list(re.finditer(r"[^\W\d_]{4,}", text))
            if not words:
                return text
            chosen = rng.choice(words)
            # Not the first letter: people rarely mistype it.
            mistaken = typo(chosen[0], rng.randrange(1, len(chosen[0]) - 1), rng)
            text = text[: chosen.start()] + mistaken + text[chosen.end() :]
        return text

    return change


_TYPOS = tuple(with_typos(typo) for typo in (swapped, dropped, doubled, mistyped))
_FRAMES = (
    "Quick question. {}",
    "I need you to do the following: {}",
    "Could you handle this one? {}",
    "Hello, I was hoping you could help. {}",
    "{}\nMany thanks.",
    "{} Cheers!",
    "Dear assistant, {}",
    "So, {}",
    "My task for you is: {}",
    "{} I appreciate it.",
)


def noisy(text: str) -> list[str]:
    """Two copies of a text: with one or two typos, and in a polite phrase."""
    rng = random.Random(hashlib.sha256(text.encode("utf-8", "replace")).digest())
    return [rng.choice(_TYPOS)(text, rng), rng.choice(_FRAMES).format(text)]


def noisy_copies(deciding: DecidingTexts, rows: Part, encoder: TextEncoder) -> Part:
    """Vectors of noisy copies of rows."""
    copies = [noisy(text) for text in deciding.texts]
    vectors = encoder.encode([text for turn in zip(*copies, strict=True) for text in turn]).vectors
    return Part(vectors, np.resize(rows.truth, len(vectors)))
