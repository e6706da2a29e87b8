"""Stand-ins for the encoder, the classifier and the backends: deterministic, without weights."""

import hashlib
import re
from collections.abc import AsyncIterator, Sequence

import numpy as np

from deployments.protocol import BackendError, Chunk, Load, ModelCard, ModelRequest
from lab.routing.rows import Row
from router.classifier import Encoded
from router.types import Query, Rationale, Scores

WIDTH = 64


class HashingEncoder:
    """Each word adds one to a place that its hash names; a text beyond `max_words` is cut."""

    name = "hashing"
    sha256 = hashlib.sha256(b"hashing").hexdigest()

    def __init__(self, max_words: int = 50) -> None:
        self._max_words = max_words
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> Encoded:
        self.encoded.extend(texts)
        vectors = np.zeros((len(texts), WIDTH), np.float32)
        cut = np.zeros(len(texts), np.bool_)
        for row, text in enumerate(texts):
            words = re.findall(r"\w+", text.lower())
            cut[row] = len(words) > self._max_words
            for word in words[: self._max_words]:
                digest = hashlib.sha256(word.encode()).digest()
                vectors[row, digest[0] % WIDTH] += 1
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return Encoded(vectors / np.where(norms == 0, 1, norms), cut)


class FixedClassifier:
    """Gives every query the same scores."""

    def __init__(self, scores: Scores) -> None:
        self._scores = scores

    @property
    def classes_(self) -> tuple[str, ...]:
        return tuple(self._scores.probabilities)

    def scores(self, queries: Sequence[Query]) -> list[Scores]:
        return [self._scores for _ in queries]

    def rationale(self, query: Query, neighbours: int = 0) -> Rationale:
        return Rationale()


class Script:
    """A backend that yields what it is given; an error among the chunks is raised in its place."""

    def __init__(self, *steps: Chunk | BackendError) -> None:
        self._steps = steps
        self.asked = 0
        self.yielded = 0
        self.stopped = 0

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        self.asked += 1
        try:
            for step in self._steps:
                if isinstance(step, BackendError):
                    raise step
                self.yielded += 1
                yield step
        finally:
            self.stopped += 1

    async def complete(self, request: ModelRequest) -> Chunk:
        raise NotImplementedError("a script streams")

    async def health(self, _model: str) -> None:
        return None

    async def load(self, _model: str) -> Load:
        return Load()

    async def cards(self) -> tuple[ModelCard, ...]:
        return (ModelCard("scripted", "script", "none"),)


_WORDS = {
    "sql": ("columns", "table", "select", "query", "rows", "schema", "count", "where", "join"),
    "tools": ("play", "song", "album", "book", "restaurant", "weather", "playlist", "rate"),
    "general": ("poem", "hello", "explain", "history", "write", "why", "story", "thanks", "how"),
}


def toy_rows(each: int = 140) -> list[Row]:
    """Rows of three domains, told apart by their words; every split has all of them."""
    rng = np.random.default_rng(0)
    splits = ("train", "train", "train", "validation", "calibration", "test", "unseen")
    return [
        Row(
            text=" ".join([*rng.choice(words, 4), f"word{rng.integers(1000)}"]),
            domain=domain,
            group=f"{domain}{index}",
            split=splits[index % len(splits)],
            source=f"toy {domain}",
        )
        for domain, words in _WORDS.items()
        for index in range(each)
    ]
