"""Scores queries: an encoder, then the trained head.

Rule: the user's last message decides (the text itself, for a completion), or the message that it
follows up, by the rules of `router.conversation`. A query without text is `general` with
probability 1, and its OOD score is the largest that is in distribution.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from router.conversation import ConversationReader, user_turns
from router.explanation import effects
from router.trained import Trained
from router.types import Query, Rationale, Scores

Floats = NDArray[np.float32]

NEIGHBOURS = 3
"""Training prompts in a rationale, by default."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Vectors of n texts: float32, (n, dimensions), length 1; `truncated` has shape (n,)."""

    vectors: Floats
    truncated: NDArray[np.bool_]


class TextEncoder(Protocol):
    """Turns texts into vectors, deterministically."""

    @property
    def name(self) -> str:
        """A readable name."""

    @property
    def sha256(self) -> str:
        """Checksum of its weights: a head works only with the vectors of its own encoder."""

    def encode(self, texts: Sequence[str]) -> Encoded:
        """The texts' vectors, in order."""


@runtime_checkable
class Classifier(Protocol):
    """Scores queries."""

    @property
    def classes_(self) -> Sequence[str]:
        """The domains that it distinguishes."""

    def scores(self, queries: Sequence[Query]) -> list[Scores]:
        """The scores of each query, in order; takes milliseconds of CPU time."""

    def rationale(self, query: Query, neighbours: int = NEIGHBOURS) -> Rationale:
        """Why a query has its scores; costs up to 50 times as much as `scores`.

        Args:
            query: the query.
            neighbours: how many training prompts to name.
        """


class RouteClassifier:
    """The trained classifier: an encoder, and the head trained on its vectors."""

    def __init__(self, encoder: TextEncoder, trained: Trained) -> None:
        self._encoder = encoder
        self._trained = trained
        self._reader = ConversationReader(encoder.encode, trained.scores, trained.reading)

    @property
    def classes_(self) -> tuple[str, ...]:
        """The domains, in the order of the head; `general` need not be among them."""
        return self._trained.head.classes

    @property
    def trained(self) -> Trained:
        """The trained values."""
        return self._trained

    def scores(self, queries: Sequence[Query]) -> list[Scores]:
        """The scores of each query, in order."""
        deciding = self._reader.read(queries)
        scores = iter(self._trained.scores(deciding.vectors, deciding.truncated))
        return [
            next(scores) if text else self._trained.empty_query_scores() for text in deciding.texts
        ]

    def scores_of_texts(self, texts: Sequence[str]) -> list[Scores]:
        """The scores of texts that are encoded as they are, in order."""
        encoded = self._encoder.encode(texts)
        return self._trained.scores(encoded.vectors, encoded.truncated)

    def rationale(self, query: Query, neighbours: int = NEIGHBOURS) -> Rationale:
        """Why a query has its scores; see `Classifier`."""
        deciding = self._reader.read([query])
        [text], [source] = deciding.texts, deciding.sources
        if source is None:
            return Rationale()
        forms, vector = self._trained.forms, deciding.vectors[0]
        labelled = source.with_system and self._trained.reading.reads_system
        return Rationale(
            source=source,
            pieces=effects(text, labelled, self._scores_of_parts),
            neighbours=self._trained.exemplars.nearest(vector, neighbours),
            form=None if forms is None else forms.likeliest(vector),
        )

    def _scores_of_parts(self, texts: Sequence[str]) -> list[Scores]:
        """The scores of texts, some of which may be empty."""
        scores = zip(texts, self.scores_of_texts(texts), strict=True)
        return [each if text else self._trained.empty_query_scores() for text, each in scores]


def text_of(query: Query) -> str:
    """The user's last message with words; the text of a completion; empty if there is none."""
    if query.text is not None:
        return query.text
    said = (turn.content for turn in reversed(query.messages) if turn.role == "user")
    return next((text for text in said if text.strip()), "")


def prompt_sha256(query: Query) -> str:
    """SHA-256 of the prompt: of the message if the user sent only one, else of the whole
    conversation, since the meaning of a follow-up depends on it."""
    prompt = text_of(query).strip()
    if len(user_turns(query)) > 1:
        prompt = json.dumps([[turn.role, turn.content.strip()] for turn in query.messages])
    return hashlib.sha256(prompt.encode()).hexdigest()
