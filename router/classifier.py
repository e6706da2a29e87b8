"""Queries to scores: an encoder, then the trained head.

Rule: what decides is the last message of the user (the text itself, for a completion). A query
without any text there says nothing about a domain: it is certainly `general`, and exactly as
familiar as the threshold demands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from router.head import Head
from router.types import GENERAL, Neighbour, Query, Scores

__all__ = ["Encoded", "Exemplars", "RouteClassifier", "TextEncoder", "text_of"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Vectors of n texts: float32, (n, dimensions), length 1; `truncated` has shape (n,)."""

    vectors: Floats
    truncated: NDArray[np.bool_]


class TextEncoder(Protocol):
    """Turns texts into vectors, always the same ones for the same text."""

    @property
    def name(self) -> str:
        """What a person calls it."""

    @property
    def sha256(self) -> str:
        """Checksum of its weights: vectors of another encoder mean nothing to a head."""

    def encode(self, texts: Sequence[str]) -> Encoded:
        """The texts' vectors, in order."""


@dataclass(frozen=True, slots=True, eq=False)
class Exemplars:
    """Training prompts kept to explain decisions: the most typical ones of each sub-cluster.

    Attributes:
        texts: m prompts.
        domains: the domain of each.
        vectors: their vectors, shape (m, dimensions).
    """

    texts: tuple[str, ...]
    domains: tuple[str, ...]
    vectors: Floats

    def __post_init__(self) -> None:
        if not len(self.texts) == len(self.domains) == len(self.vectors):
            raise ValueError(
                f"{len(self.texts)} texts, {len(self.domains)} domains, {len(self.vectors)} vectors"
            )


class RouteClassifier:
    """The trained classifier: encoder, head and exemplars.

    Raises:
        ValueError: head and exemplars do not have the same dimensions.
    """

    def __init__(self, encoder: TextEncoder, head: Head, exemplars: Exemplars) -> None:
        if exemplars.vectors.shape[1:] != head.weights.shape[1:]:
            raise ValueError(
                f"exemplars of shape {exemplars.vectors.shape} do not fit "
                f"weights of shape {head.weights.shape}"
            )
        self._encoder = encoder
        self._head = head
        self._exemplars = exemplars

    @property
    def classes_(self) -> tuple[str, ...]:
        """The domains, `general` among them, in the order of the head."""
        return self._head.classes

    def scores(self, queries: Sequence[Query]) -> list[Scores]:
        """The scores of each query, in order."""
        texts = [text_of(query).strip() for query in queries]
        spoken = [text for text in texts if text]
        encoded = self._encoder.encode(spoken)
        found = iter(self._head.scores(encoded.vectors, encoded.truncated))
        return [next(found) if text else self._abstention() for text in texts]

    def neighbours(self, text: str, count: int) -> tuple[Neighbour, ...]:
        """The exemplars most like a text, best first; none for a text without content."""
        if not text.strip():
            return ()
        similarity = self._exemplars.vectors @ self._encoder.encode([text.strip()]).vectors[0]
        order = np.argsort(-similarity, kind="stable")[:count]
        return tuple(
            Neighbour(
                self._exemplars.texts[index],
                self._exemplars.domains[index],
                float(similarity[index]),
            )
            for index in order
        )

    def _abstention(self) -> Scores:
        return Scores(
            probabilities={domain: float(domain == GENERAL) for domain in self.classes_},
            scope=self._head.scope_threshold,
            scope_threshold=self._head.scope_threshold,
            min_confidence=self._head.min_confidence,
        )


def text_of(query: Query) -> str:
    """What the user said last; the whole text of a completion; empty when no user spoke."""
    if query.text is not None:
        return query.text
    return next((turn.content for turn in reversed(query.messages) if turn.role == "user"), "")
