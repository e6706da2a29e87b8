"""The text of a request that is classified: what the system prompt and the user say, shortened.

Rules:

1. A system prompt that may set the task ("You are a translator") is read with the user's words.
2. Of a long text, segments (lines, sentences) are kept up to a length, in their order: the first,
   the last, and the few most like a request with their neighbours. So a question in the middle
   survives.

The scorer is a linear model over words, since it sees every word of a long text: thousands of words
take a millisecond or two.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

BUCKETS = 16384
"""Weights of a `SegmentScorer`; each word falls into one by its checksum."""
SYSTEM_BUCKETS = 65536
"""The same of a detector of system prompts, for words and pairs of words."""

SYSTEM_LABEL, USER_LABEL = "System: ", "\nUser: "
"""Labels in a text that has both a system prompt and the user's words."""

_MOST_USER, _MOST_SYSTEM = 720, 280
"""Characters: about 180 and 75 tokens."""
_MOST_SEGMENT = 240
_MOST_LINE = 120
_MOST_START, _MOST_END = 80, 140
_MOST_BLOCKS = 8
_NEAR = 2
"""Segments on each side of one that reads like a request."""
_MOST_READ = 200_000
"""Characters of a text that are read: half from each end."""
_MOST_SEGMENTS = 4000
"""Segments that are read, likewise: such a text of very short lines has far more than one of
prose."""

_PARAGRAPHS = re.compile(r"\n\s*\n")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+")
_WORD = re.compile(r"[^\W\d_]+|\?|\d")
_SIGN_OR_WORD = re.compile(r"\w+|[^\w\s]")
_GAP = "\n"
_LONG_WORD = 5


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
        """The sum of its words' weights over the square root of their number: the sum alone would
        favour long segments, the mean short ones."""
        found = buckets(segment)
        return float(self.weights[found].sum() / len(found) ** 0.5) if found else -np.inf


_NEUTRAL = SegmentScorer.neutral()


def buckets(segment: str) -> list[int]:
    """The buckets of a segment's words; its first word, and the ends of long words, count
    apart too."""
    words = [word.casefold() for word in _WORD.findall(segment[:_MOST_SEGMENT])]
    if not words:
        return []
    ends = [f"${word[-4:]}" for word in words if len(word) > _LONG_WORD]
    return [zlib.crc32(word.encode()) % BUCKETS for word in (f"^{words[0]}", *words, *ends)]


def system_buckets(system: str) -> list[int]:
    """The buckets of the words, signs and pairs of neighbours in a system prompt, each once."""
    words = _SIGN_OR_WORD.findall(system.casefold())
    pairs = (f"{one} {other}" for one, other in pairwise(words))
    return sorted({zlib.crc32(part.encode()) % SYSTEM_BUCKETS for part in (*words, *pairs)})


def request_text(system: str, user: str, scorer: SegmentScorer) -> str:
    """The text to classify.

    Args:
        system: the system prompt, may be empty.
        user: the user's message.
        scorer: chooses segments of long texts.
    """
    said = shortened(user.strip(), _MOST_USER, scorer)
    above = system_words(system)
    return f"{SYSTEM_LABEL}{above}{USER_LABEL}{said}" if above else said


def system_words(system: str) -> str:
    """The beginning and the end of a system prompt: what shows whether it sets a task."""
    return shortened(system.strip(), _MOST_SYSTEM, _NEUTRAL)


def is_shortened(system: str, user: str) -> bool:
    """Whether `request_text` leaves something out."""
    return len(user.strip()) > _MOST_USER or len(system.strip()) > _MOST_SYSTEM


def shortened(text: str, most: int, scorer: SegmentScorer) -> str:
    """The text itself, or parts of it up to about `most` characters."""
    if len(text) <= most:
        return text
    parts = segments(text)
    scores = [scorer.score(part.text) for part in parts]
    last = len(parts) - 1
    kept = {0: parts[0].text[:_MOST_START], last: parts[last].text[-_MOST_END:]}
    room = most - sum(map(len, kept.values()))
    for block in _blocks(parts, scores):
        for place in block:
            used = len(parts[place].text) - len(kept.get(place, ""))
            if used > room:
                break
            kept[place], room = parts[place].text, room - used
    return _GAP.join(kept[place] for place in sorted(kept))


def _blocks(parts: Sequence["Segment"], scores: Sequence[float]) -> list[list[int]]:
    """The segments that may hold the request: each list starts with one that reads most like a
    request, and goes on with its neighbours of the same paragraph, nearest first."""
    free = set(range(len(parts)))
    found: list[list[int]] = []
    for best in sorted(free, key=lambda place: (-scores[place], place)):
        if best not in free:
            continue
        paragraph = [place for place in free if parts[place].paragraph == parts[best].paragraph]
        near = [place for place in paragraph if abs(place - best) <= _NEAR]
        found.append(sorted(near, key=lambda place: (abs(place - best), place)))
        free -= set(near)
        if len(found) == _MOST_BLOCKS:
            break
    return found


@dataclass(frozen=True, slots=True)
class Segment:
    """A line or sentence, and the number of its paragraph."""

    text: str
    paragraph: int


def segments(text: str) -> Sequence[Segment]:
    """The segments of a text: its lines, and of long lines the sentences, cut if still long."""
    if len(text) > _MOST_READ:
        text = f"{text[: _MOST_READ // 2]}\n{text[-_MOST_READ // 2 :]}"
    found: list[Segment] = []
    for number, paragraph in enumerate(_PARAGRAPHS.split(text)):
        for line in paragraph.split("\n"):
            sentences = [line] if len(line) <= _MOST_LINE else _SENTENCE.split(line)
            for sentence in sentences:
                for start in range(0, len(sentence), _MOST_SEGMENT):
                    part = sentence[start : start + _MOST_SEGMENT].strip()
                    if part:
                        found.append(Segment(part, number))
    if len(found) > _MOST_SEGMENTS:
        found = found[: _MOST_SEGMENTS // 2] + found[-_MOST_SEGMENTS // 2 :]
    return found or [Segment(text, 0)]
