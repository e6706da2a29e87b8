"""Toy rows of several domains, told apart by their words."""

from collections.abc import Sequence

import numpy as np

from lab.routing.rows import Row

WORDS = {
    "bank": ("balance", "transfer", "account", "card", "loan"),
    "cook": ("oven", "recipe", "flour", "butter", "bake"),
    "ride": ("train", "ticket", "platform", "bus", "delay"),
    "play": ("song", "album", "guitar", "melody", "choir"),
    "heal": ("doctor", "fever", "pill", "nurse", "cough"),
    "grow": ("garden", "seed", "water", "soil", "bloom"),
}
STRANGE = ("quark", "nebula", "galaxy", "photon", "neutrino")


def rows_of(
    domain: str, words: Sequence[str], split: str | None, count: int, seed: int = 0
) -> list[Row]:
    """Rows of three of the words and one that hardly occurs twice."""
    rng = np.random.default_rng([seed, len(domain), *split.encode()] if split else seed)
    return [
        Row(
            text=" ".join([*rng.choice(words, 3), f"w{rng.integers(10_000)}"]),
            domain=domain,
            group=f"{domain}{split}{number}",
            split=split,
            source="toy",
        )
        for number in range(count)
    ]


def toy_set(train: int = 30, held_out: int = 15) -> list[Row]:
    """All domains in three splits, and strangers, which are `general`, in each."""
    sizes = {"train": train, "validation": held_out, "test": held_out}
    return [
        row
        for split, count in sizes.items()
        for domain, words in (*WORDS.items(), ("general", STRANGE))
        for row in rows_of(domain, words, split, count)
    ]
