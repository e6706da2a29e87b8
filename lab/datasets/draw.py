"""Chance that never changes: drawn from the text itself, so that every run picks the same rows."""

import hashlib
from collections.abc import Iterable


def draw(text: str, purpose: str) -> float:
    """A number in [0, 1) that depends on the text and on what it is drawn for alone."""
    digest = hashlib.sha256(f"{purpose}\0{text}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def sample(texts: Iterable[str], count: int) -> list[str]:
    """`count` of the distinct texts (all, if fewer); the same ones whatever their order."""
    return sorted(set(texts), key=lambda text: (draw(text, "sample"), text))[:count]
