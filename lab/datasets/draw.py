"""Deterministic draws: seeded by the text itself, so that every run picks the same rows."""

import hashlib
from collections.abc import Iterable


def draw(text: str, purpose: str) -> float:
    """A number in [0, 1) that depends only on the text and the purpose."""
    digest = hashlib.sha256(f"{purpose}\0{text}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def sample(texts: Iterable[str], count: int) -> list[str]:
    """Draws `count` distinct texts (all, if fewer), independent of their order."""
    return sorted(set(texts), key=lambda text: (draw(text, "sample"), text))[:count]
