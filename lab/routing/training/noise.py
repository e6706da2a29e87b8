"""Copies of prompts as hurried or polite people would have written them.

A router that has seen only clean prompts takes a slip of the hand, or a greeting, for something
strange. Every copy is drawn from its text alone, so that the same rows give the same artifact. The
frames are others than those of the benchmark that measures what they are good for.
"""

import hashlib
import random

from lab.routing.data.typos import doubled, dropped, mistyped, slips, swapped

_SLIPS = tuple(slips(slip) for slip in (swapped, dropped, doubled, mistyped))
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
    """Two copies of a text: with a slip or two of the hand, and in a polite frame."""
    rng = random.Random(hashlib.sha256(text.encode("utf-8", "replace")).digest())
    return [rng.choice(_SLIPS)(text, rng), rng.choice(_FRAMES).format(text)]
