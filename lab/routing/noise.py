"""Copies of prompts as hurried or polite people would have written them.

A router that has seen only clean prompts takes a typo, or a greeting, for something strange. Every
copy is drawn from its text alone, so that the same rows give the same artifact. The frames are
others than those of the benchmark that measures what they are good for.

A typo swaps, drops or doubles letters, or hits the neighbouring key. It takes a word, the place of
a letter in it and a source of chance.
"""

import hashlib
import random
import re
from collections.abc import Callable

Typo = Callable[[str, int, random.Random], str]

_ONE_TYPO_BELOW = 60
"""Characters; a longer prompt gets two typos."""

_NEIGHBOURS = {
    letter: row[max(0, place - 1) : place] + row[place + 1 : place + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for place, letter in enumerate(row)
}


def swapped(word: str, at: int, rng: random.Random) -> str:
    """Two letters in each other's place."""
    del rng
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def dropped(word: str, at: int, rng: random.Random) -> str:
    """A letter left out."""
    del rng
    return word[:at] + word[at + 1 :]


def doubled(word: str, at: int, rng: random.Random) -> str:
    """A letter twice."""
    del rng
    return word[: at + 1] + word[at:]


def mistyped(word: str, at: int, rng: random.Random) -> str:
    """The key beside the one that was meant; the same word where no such key is known."""
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
            # Not the first letter: people rarely miss it.
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
    """Two copies of a text: with a typo or two, and in a polite frame."""
    rng = random.Random(hashlib.sha256(text.encode("utf-8", "replace")).digest())
    return [rng.choice(_TYPOS)(text, rng), rng.choice(_FRAMES).format(text)]
