"""The text of a request that is classified: what the system prompt and the user say, shortened.

Rules:

1. A system prompt is read with the user's words, since it may set the task: "You are a translator".
2. Of a long text, segments (paragraphs, lines, sentences) are kept up to a length: the first, the
   last, and those most like a request, in their order. So a question in the middle survives.

The scorer is a linear model over words, since it sees every word of a long text: thousands of words
take a millisecond or two.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BUCKETS = 4096
"""Weights of a `SegmentScorer`; each word falls into one by its checksum."""

_MOST_USER, _MOST_SYSTEM = 720, 320
"""Characters: about 180 and 80 tokens."""
_MOST_SEGMENT = 240
_MOST_END = 160
_MOST_READ = 200_000
"""Characters of a text that are read: half from each end."""

_LINES = re.compile(r"\n+")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+")
_WORD = re.compile(r"[^\W\d_]+|\?|\d")
_GAP = "\n"


@dataclass(frozen=True, slots=True, eq=False)
class SegmentScorer:
    """Scores how much a segment reads like a request.

    Attributes:
        weights: one per bucket of words, shape (`BUCKETS`,).

    Raises:
        ValueError: the weights have another shape, or one is not finite.
    """

    weights: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.weights.shape != (BUCKETS,) or not np.isfinite(self.weights).all():
            raise ValueError(f"weights of shape {self.weights.shape}, expected ({BUCKETS},)")

    @classmethod
    def neutral(cls) -> "SegmentScorer":
        """A scorer without preferences: the text's beginning and end are kept."""
        return cls(np.zeros(BUCKETS, np.float32))

    def score(self, segment: str) -> float:
        """The mean weight of its words, scaled so that longer segments count more."""
        found = buckets(segment)
        return float(self.weights[found].sum() / (len(found) + 3)) if found else -np.inf


def buckets(segment: str) -> list[int]:
    """The buckets of a segment's words; its first word also counts apart."""
    words = [word.casefold() for word in _WORD.findall(segment[:_MOST_SEGMENT])]
    marked = words if not words else [f"^{words[0]}", *words]
    return [zlib.crc32(word.encode()) % BUCKETS for word in marked]


def request_text(system: str, user: str, scorer: SegmentScorer) -> str:
    """The text to classify.

    Args:
        system: the system prompt, may be empty.
        user: the user's message.
        scorer: chooses segments of long texts.
    """
    said = shortened(user.strip(), _MOST_USER, scorer)
    above = shortened(system.strip(), _MOST_SYSTEM, scorer)
    return f"System: {above}\nUser: {said}" if above else said


def is_shortened(system: str, user: str) -> bool:
    """Whether `request_text` leaves something out."""
    return len(user.strip()) > _MOST_USER or len(system.strip()) > _MOST_SYSTEM


def shortened(text: str, most: int, scorer: SegmentScorer) -> str:
    """The text itself, or its segments up to about `most` characters."""
    if len(text) <= most:
        return text
    parts = segments(text)
    last = len(parts) - 1
    kept = {0: parts[0][:_MOST_END], last: parts[last][-_MOST_END:]}
    room = most - sum(map(len, kept.values()))
    scores = [scorer.score(part) for part in parts]
    for place in sorted(range(len(parts)), key=lambda index: (-scores[index], index)):
        part = parts[place]
        fits = part if place not in kept else part[: len(kept[place]) + room]
        used = len(fits) - len(kept.get(place, ""))
        if len(fits) == len(part) and used <= room:
            kept[place], room = part, room - used
        if room < _MOST_END // 4:
            break
    return _GAP.join(kept[place] for place in sorted(kept))


def segments(text: str) -> Sequence[str]:
    """The segments of a text: its lines, and of long lines the sentences, cut if still long."""
    if len(text) > _MOST_READ:
        text = f"{text[: _MOST_READ // 2]}\n{text[-_MOST_READ // 2 :]}"
    found: list[str] = []
    for line in _LINES.split(text):
        sentences = [line] if len(line) <= _MOST_SEGMENT else _SENTENCE.split(line)
        for sentence in sentences:
            found += [
                sentence[start : start + _MOST_SEGMENT].strip()
                for start in range(0, len(sentence), _MOST_SEGMENT)
            ]
    return [part for part in found if part] or [text]
