"""Chooses the text of a conversation that decides: the user's last message, if it says enough.

Rules:

1. A follow-up ("and for 2019?") leaves the decision to the user's previous turn. A linear layer on
   the text's vector detects follow-ups.
2. So does a doubtful text that is close to the previous turn: the topic has not changed. A text is
   doubtful if no specialist would get it, and it is not surely general either.
3. A system prompt that sets a task ("You are a translator") is read with that turn, by an artifact
   whose encoder was trained for it; a linear layer tells such prompts from neutral ones.
   A neutral one, which often has a table or a list of functions, is read only with a doubtful text
   that is close to it, and counts only if a specialist would get the two together.
4. Long texts are shortened, as `router.request_text` says.

Messages of the assistant or a tool never decide. Most requests need one vector; each rule that
applies costs another forward pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from router.request_text import (
    SYSTEM_BUCKETS,
    SegmentScorer,
    is_shortened,
    request_text,
    system_buckets,
    system_words,
)
from router.types import GENERAL, Query, Scores, Source

MAX_TURNS = 4
"""User turns that are read: the last one, and three before it."""

_MOST_SYSTEMS = 4096
"""System prompts that are remembered."""

_SURELY_GENERAL = 0.99
"""With at least this probability of `GENERAL`, a text is not doubtful."""

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Indices = NDArray[np.int64]


class Encoding(Protocol):
    """What an encoder returns for n texts."""

    @property
    def vectors(self) -> Floats:
        """Their vectors of length 1, shape (n, dimensions)."""

    @property
    def truncated(self) -> Bools:
        """Which texts were cut before encoding, shape (n,)."""


@dataclass(frozen=True, slots=True, eq=False)
class FollowUpDetector:
    """Detects follow-ups: texts that are unclear without the previous turn.

    Attributes:
        weights: shape (dimensions,).
        bias: added to the product; the threshold is part of it.

    Raises:
        ValueError: `weights` is not a vector, or a number is not finite.
    """

    weights: Floats
    bias: float

    def __post_init__(self) -> None:
        if self.weights.ndim != 1:
            raise ValueError(f"weights of shape {self.weights.shape}, expected (dimensions,)")
        if not (np.isfinite(self.weights).all() and np.isfinite(self.bias)):
            raise ValueError("a weight is not a finite number")

    def is_follow_up(self, vectors: Floats) -> Bools:
        """Which of n texts are follow-ups, shape (n,); vectors (n, dimensions)."""
        return np.asarray(vectors @ self.weights + self.bias > 0)


@dataclass(frozen=True, slots=True, eq=False)
class TaskPromptDetector:
    """Detects system prompts that set a task: a linear layer on their vectors, for which the
    encoder was trained, and another on their words.

    Attributes:
        weights: of the vectors, shape (dimensions,).
        words: of the words by `system_buckets`, shape (`SYSTEM_BUCKETS`,).
        bias: added to both; the threshold is part of it.

    Raises:
        ValueError: there is not one weight per bucket.
    """

    weights: Floats
    words: Floats
    bias: float

    def __post_init__(self) -> None:
        if self.words.shape != (SYSTEM_BUCKETS,):
            raise ValueError(
                f"word weights of shape {self.words.shape}, expected ({SYSTEM_BUCKETS},)"
            )

    def sets_task(self, systems: Sequence[str], vectors: Floats) -> Bools:
        """Which of n system prompts set a task, shape (n,); vectors (n, dimensions)."""
        return np.asarray(self.scores(systems, vectors) > 0)

    def scores(self, systems: Sequence[str], vectors: Floats) -> Floats:
        """How much each reads like one that sets a task, shape (n,)."""
        found = [system_buckets(system) for system in systems]
        said = [self.words[own].sum() / max(len(own), 1) ** 0.5 for own in found]
        return np.asarray(vectors @ self.weights + np.array(said, np.float32) + self.bias)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """How an artifact reads requests.

    Attributes:
        follow_up: detects follow-ups.
        scorer: shortens long texts.
        reads_system: whether a system prompt that may set a task is read with the user's words.
        task_prompts: tells these from neutral ones, which are not read; None: all may set a task.
        min_similarity: texts with at least this cosine count as similar; 19 in 20 random pairs of
            different domains are below it.
    """

    follow_up: FollowUpDetector
    scorer: SegmentScorer = field(default_factory=SegmentScorer.neutral)
    reads_system: bool = False
    task_prompts: TaskPromptDetector | None = None
    min_similarity: float = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class DecidingTexts:
    """The deciding texts of n queries, as they are encoded.

    Attributes:
        texts: one per query; empty without a user message.
        vectors: of the m non-empty texts, in order, shape (m, dimensions).
        truncated: which of these m texts were cut before encoding, shape (m,).
        sources: where each text comes from, one per text; None without a user message.
    """

    texts: tuple[str, ...]
    vectors: Floats
    truncated: Bools
    sources: tuple[Source | None, ...] = ()


def user_turns(query: Query) -> tuple[str, ...]:
    """The user's messages, latest first: at most `MAX_TURNS`, stripped, without empty ones.

    A completion is one turn.
    """
    if query.text is not None:
        messages = [query.text]
    else:
        messages = [turn.content for turn in reversed(query.messages) if turn.role == "user"]
    return tuple(text for text in map(str.strip, messages) if text)[:MAX_TURNS]


def system_text(query: Query) -> str:
    """The system messages, stripped, one per line; empty if there are none."""
    messages = (turn.content.strip() for turn in query.messages if turn.role == "system")
    return "\n".join(text for text in messages if text)


class ConversationReader:
    """Finds the deciding text of each query.

    Args:
        encode: turns texts into vectors; called a few times per batch, never once per query, and
            once for each text.
        score: the classifier's scores of vectors of shape (n, dimensions).
        reading: how the artifact reads requests.
    """

    def __init__(
        self,
        encode: Callable[[Sequence[str]], Encoding],
        score: Callable[[Floats, Bools], Sequence[Scores]],
        reading: Reading,
    ) -> None:
        self._encode, self._score, self._reading = encode, score, reading
        self._systems = _SystemPrompts(encode, reading.reads_system, reading.task_prompts)

    def read(self, queries: Sequence[Query]) -> DecidingTexts:
        """The deciding text of each query, and its vector."""
        once = _Once(self._encode)
        return _Batch(once, self._score, self._reading, self._systems).read(queries)


class _SystemPrompts:
    """Finds the system prompts that may set a task; remembers them, since they repeat.

    Args:
        encode: turns system prompts into vectors.
        reads: whether any is read.
        detector: tells those that set a task; None: all may.
    """

    def __init__(
        self,
        encode: Callable[[Sequence[str]], Encoding],
        reads: bool,
        detector: TaskPromptDetector | None,
    ) -> None:
        self._encode, self._reads, self._detector = encode, reads, detector
        self._known: dict[str, bool] = {}

    def read(self, systems: Sequence[str]) -> list[str]:
        """Those to be read with the user's words; empty where one sets no task, or is empty."""
        if not self._reads:
            return [""] * len(systems)
        if self._detector is None:
            return list(systems)
        words = [system_words(system) for system in systems]
        new = [text for text in dict.fromkeys(words) if text and text not in self._known]
        if new:
            if len(self._known) > _MOST_SYSTEMS:
                self._known = {}
            found = self._detector.sets_task(new, self._encode(new).vectors).tolist()
            # A new dictionary: several threads may read at once.
            self._known = self._known | dict(zip(new, found, strict=True))
        known = self._known
        return [
            system if text and known.get(text, True) else ""
            for system, text in zip(systems, words, strict=True)
        ]


class _Once:
    """Encodes each text of a batch once, however many rules read it."""

    def __init__(self, encode: Callable[[Sequence[str]], Encoding]) -> None:
        self._encode = encode
        self._rows: dict[str, int] = {}
        nothing = encode([])
        self.vectors, self.truncated = nothing.vectors, nothing.truncated

    def rows(self, texts: Sequence[str]) -> list[int]:
        """The row of each text in `vectors` and `truncated`."""
        new = [text for text in dict.fromkeys(texts) if text not in self._rows]
        if new:
            found = self._encode(new)
            self._rows |= {text: len(self.vectors) + row for row, text in enumerate(new)}
            self.vectors = np.concatenate([self.vectors, found.vectors])
            self.truncated = np.concatenate([self.truncated, found.truncated])
        return [self._rows[text] for text in texts]


class _Batch:
    """Applies the rules to queries that arrive together."""

    def __init__(
        self,
        encoded: _Once,
        score: Callable[[Floats, Bools], Sequence[Scores]],
        reading: Reading,
        systems: _SystemPrompts,
    ) -> None:
        self._encoded, self._score, self._reading = encoded, score, reading
        self._systems = systems

    def read(self, queries: Sequence[Query]) -> DecidingTexts:
        said = [user_turns(query) for query in queries]
        spoken = [index for index, turns in enumerate(said) if turns]
        turns = [said[index] for index in spoken]
        systems = [system_text(queries[index]) for index in spoken]
        backs = self._turns_back(turns)
        deciding = [own[back] for own, back in zip(turns, backs, strict=True)]
        tasks = self._systems.read(systems)
        other = ["" if task else system for task, system in zip(tasks, systems, strict=True)]
        read = self._with_system_prompt(self._read(deciding, tasks), deciding, other)
        return _spread(read, spoken, backs, len(queries))

    def _turns_back(self, turns: Sequence[Sequence[str]]) -> list[int]:
        """How far back the turn is that decides each query; turns are given latest first."""
        backs = [0] * len(turns)
        rows = np.flatnonzero([len(own) > 1 for own in turns])
        read = self._read([turns[row][0] for row in rows.tolist()])
        for back in range(1, MAX_TURNS):
            longer = np.array([len(turns[row]) > back for row in rows.tolist()], np.bool_)
            rows, vectors = rows[longer], read.vectors[longer]
            follow_ups = self._reading.follow_up.is_follow_up(vectors)
            open_ = follow_ups | self._doubtful(vectors)
            rows, vectors, follow_ups = rows[open_], vectors[open_], follow_ups[open_]
            if not len(rows):
                break
            older = self._read([turns[row][back] for row in rows.tolist()])
            stays = np.flatnonzero(follow_ups | self._similar(vectors, older.vectors))
            rows = rows[stays]
            read = DecidingTexts((), older.vectors[stays], older.truncated[stays])
            for row in rows.tolist():
                backs[row] = back
        return backs

    def _with_system_prompt(
        self, read: DecidingTexts, said: Sequence[str], systems: Sequence[str]
    ) -> DecidingTexts:
        rows = np.flatnonzero([bool(system) for system in systems])
        rows = rows[self._doubtful(read.vectors[rows])]
        above = self._read([systems[row] for row in rows.tolist()])
        rows = rows[self._similar(read.vectors[rows], above.vectors)]
        below = [f"{systems[row]}\n{said[row]}" for row in rows.tolist()]
        return self._if_routed(read, rows, below)

    def _if_routed(self, read: DecidingTexts, rows: Indices, texts: Sequence[str]) -> DecidingTexts:
        """`read`, with these rows replaced by these texts where a specialist would get them."""
        other = _below_system(self._read(texts))
        routed = np.flatnonzero(self._routed(other.vectors))
        return _replaced(read, rows[routed], other, routed)

    def _read(self, said: Sequence[str], systems: Sequence[str] = ()) -> DecidingTexts:
        """The vectors of the user's words, each with its system prompt if these are given."""
        pairs = list(zip(systems or [""] * len(said), said, strict=True))
        texts = tuple(request_text(*pair, self._reading.scorer) for pair in pairs)
        rows = self._encoded.rows(texts)
        sources = tuple(
            Source(0, bool(pair[0]), sum(map(len, pair)), is_shortened(*pair)) for pair in pairs
        )
        shortened = np.array([source.shortened for source in sources], np.bool_)
        truncated = self._encoded.truncated[rows] | shortened
        return DecidingTexts(texts, self._encoded.vectors[rows], truncated, sources)

    def _doubtful(self, vectors: Floats) -> Bools:
        """Which texts no specialist would get and are not surely general."""
        scores = self._scores(vectors)
        general = np.array([each.probabilities.get(GENERAL, 0.0) for each in scores])
        return ~_routed(scores) & (general < _SURELY_GENERAL)

    def _similar(self, vectors: Floats, others: Floats) -> Bools:
        cosines = (vectors * others).sum(axis=1)
        return np.asarray(cosines >= self._reading.min_similarity)

    def _routed(self, vectors: Floats) -> Bools:
        return _routed(self._scores(vectors))

    def _scores(self, vectors: Floats) -> Sequence[Scores]:
        return self._score(vectors, np.zeros(len(vectors), np.bool_))


def _routed(scores: Sequence[Scores]) -> Bools:
    """Whether a specialist would get each text, at the artifact's thresholds."""
    return np.array([is_routed(each) for each in scores], np.bool_)


def is_routed(scores: Scores) -> bool:
    """Whether a specialist would get a query, at the artifact's thresholds."""
    domain = max(scores.probabilities, key=scores.probabilities.__getitem__)
    return (
        domain != GENERAL
        and scores.probabilities[domain] >= scores.min_confidence
        and scores.ood_score <= scores.max_ood_score
    )


def _replaced(
    read: DecidingTexts, rows: Indices, other: DecidingTexts, other_rows: Indices
) -> DecidingTexts:
    """`read`, with its `rows` replaced by `other_rows` of another reading."""
    texts, vectors, truncated = list(read.texts), read.vectors.copy(), read.truncated.copy()
    sources = list(read.sources)
    for row, other_row in zip(rows, other_rows, strict=True):
        texts[row], sources[row] = other.texts[other_row], other.sources[other_row]
    vectors[rows], truncated[rows] = other.vectors[other_rows], other.truncated[other_rows]
    return DecidingTexts(tuple(texts), vectors, truncated, tuple(sources))


def _below_system(read: DecidingTexts) -> DecidingTexts:
    """`read`, whose texts are the user's words below a system prompt."""
    return replace(
        read, sources=tuple(source and replace(source, with_system=True) for source in read.sources)
    )


def _spread(
    read: DecidingTexts, places: Sequence[int], backs: Sequence[int], count: int
) -> DecidingTexts:
    """`read`, with its texts at their places among `count` queries."""
    texts = [""] * count
    sources: list[Source | None] = [None] * count
    for place, text, source, back in zip(places, read.texts, read.sources, backs, strict=True):
        texts[place], sources[place] = text, source and replace(source, turns_back=back)
    return DecidingTexts(tuple(texts), read.vectors, read.truncated, tuple(sources))
