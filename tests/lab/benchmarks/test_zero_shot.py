"""The cosine router without training: by descriptions, with a threshold that other rows chose."""

import numpy as np

from deployments.protocol import Message
from lab.benchmarks.robustness import RobustnessPrompt
from lab.benchmarks.zero_shot import DESCRIPTIONS, zero_shot
from lab.routing.rows import Row
from router.classifier import Encoded
from router.types import GENERAL, Query

WORDS = {
    "biomed": "biomedical",
    "math": "arithmetic",
    "sql": "columns",
    "support": "bank",
    "tools": "music",
}
"""A word of each description."""


class WordEncoder:
    """A direction per known word and one for all other texts; the other layers are noise."""

    name, sha256 = "words", "0"

    def encode(self, texts):
        vectors = np.ones((len(texts), 3 * (len(WORDS) + 1)), np.float32)
        vectors[:, : len(WORDS) + 1] = 0
        for row, text in enumerate(texts):
            found = [at for at, word in enumerate(WORDS.values()) if word in text]
            vectors[row, found or [len(WORDS)]] = 1
        return Encoded(vectors, np.zeros(len(texts), np.bool_))


ROWS = [
    *(
        Row(f"{word} {at}", domain, f"{word}{at}")
        for domain, word in WORDS.items()
        for at in (1, 2)
    ),
    *(Row(f"something else {at}", GENERAL, f"g{at}") for at in range(10)),
]


def prompt(text, domain, kind="natural"):
    return RobustnessPrompt(text, Query((Message("user", text),)), domain, kind)


PROMPTS = [
    *(prompt(f"about {word}", domain) for domain, word in WORDS.items()),
    prompt("hello", GENERAL, "near miss"),
    prompt("bank with music", "sql", "typos"),
]


def test_a_prompt_goes_to_the_nearest_description_if_it_is_near_enough():
    """One that is like none of them is general."""
    found = {f.name: f.value for f in zero_shot(WordEncoder(), ROWS, PROMPTS).figures}

    assert {found[f"natural {domain}: recall"] for domain in WORDS} == {1.0}
    assert found["near miss: routed"] == 0.0
    assert found["typos: recall"] == 0.0


def test_every_niche_has_a_description():
    """A niche without one would never be chosen."""
    assert DESCRIPTIONS.keys() == WORDS.keys()
