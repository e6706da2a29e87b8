"""Queries to scores: an encoder, then the trained head.

Rule: what decides is the last message of the user (the text itself, for a completion), or what it
follows up; `router.conversation` says when. A query without any text there says nothing about a
domain: it is certainly `general`, and its OOD score is the largest that is in distribution.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from router.conversation import ConversationReader, user_turns
from router.trained import Trained
from router.types import Neighbour, Query, Scores

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


@runtime_checkable
class Classifier(Protocol):
    """Scores queries."""

    @property
    def classes_(self) -> Sequence[str]:
        """The domains it tells apart."""

    def scores(self, queries: Sequence[Query]) -> list[Scores]:
        """The scores of each query, in order; takes milliseconds of CPU time."""


class RouteClassifier:
    """The trained classifier: an encoder, and what was learnt on its vectors."""

    def __init__(self, encoder: TextEncoder, trained: Trained) -> None:
        self._encoder = encoder
        self._trained = trained
        self._reader = ConversationReader(encoder.encode, trained.scores, trained.follow_up)

    @property
    def classes_(self) -> tuple[str, ...]:
        """The domains, in the order of the head; `general` need not be among them."""
        return self._trained.head.classes

    @property
    def trained(self) -> Trained:
        """What was learnt."""
        return self._trained

    def scores(self, queries: Sequence[Query]) -> list[Scores]:
        """The scores of each query, in order."""
        deciding = self._reader.read(queries)
        found = iter(self._trained.scores(deciding.vectors, deciding.truncated))
        return [
            next(found) if text else self._trained.empty_query_scores() for text in deciding.texts
        ]

    def neighbours(self, text: str, count: int) -> tuple[Neighbour, ...]:
        """The exemplars most like a text, best first; none for a text without content."""
        if not text.strip():
            return ()
        similarity = (
            self._trained.exemplars.vectors @ self._encoder.encode([text.strip()]).vectors[0]
        )
        exemplars = self._trained.exemplars
        order = np.argsort(-similarity, kind="stable")[:count]
        return tuple(
            Neighbour(
                exemplars.texts[index],
                exemplars.domains[index],
                float(similarity[index]),
            )
            for index in order
        )


def text_of(query: Query) -> str:
    """What the user said last; the whole text of a completion; empty when no user spoke."""
    if query.text is not None:
        return query.text
    return next((turn.content for turn in reversed(query.messages) if turn.role == "user"), "")


def prompt_sha256(query: Query) -> str:
    """SHA-256 of what was asked: of the words alone where the user spoke once, else of the whole
    conversation, for a follow-up means another thing in each."""
    said = text_of(query).strip()
    if len(user_turns(query)) > 1:
        said = json.dumps([[turn.role, turn.content.strip()] for turn in query.messages])
    return hashlib.sha256(said.encode()).hexdigest()
