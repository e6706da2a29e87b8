"""A model's answers: tokens and seconds, detection of loops, and a file that stores them.

Answers that loop, or that the length limit cut, cost time and money without being useful, so their
frequency is reported.

Answers are stored so that an interrupted run resumes without computing anything twice. There is one
JSON Lines file per model and set of questions: a header, then one answer per line. The header has
the weights, precision, length limit and machine; each answer has a checksum of its whole prompt. A
file with a different header is renamed, with a message.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from deployments.protocol import Message

Chat = Sequence[Message]

_LONGEST_PERIOD = 20
_REPEATS = 4
_COVERED = 12


def loops(tokens: Sequence[int]) -> bool:
    """Whether a sequence ends in a loop.

    A loop repeats 1 to 20 tokens at least 4 times, over at least 12 tokens. The last repetition may
    be incomplete.

    Args:
        tokens: an answer's token ids, without the one that ends the turn.
    """
    for period in range(1, _LONGEST_PERIOD + 1):
        length = max(period * _REPEATS, _COVERED)
        if len(tokens) < length:
            return False  # the longer periods need as many tokens or more
        end = tokens[-length:]
        if all(end[place] == end[place - period] for place in range(period, length)):
            return True
    return False


@dataclass(frozen=True)
class GeneratedAnswer:
    """A model's answer, with its tokens and seconds.

    Attributes:
        text: without the token that ends the turn.
        prompt_tokens: tokens of the whole chat, without padding.
        answer_tokens: generated tokens, without the one that ends the turn.
        cut: whether the length limit ended it.
        loops: whether it ends in a loop.
        seconds: its share of engine time: the batch's time divided by its rows.
    """

    text: str
    prompt_tokens: int
    answer_tokens: int
    cut: bool
    loops: bool
    seconds: float


@dataclass(frozen=True)
class Degeneration:
    """Of `answers`: the share that ends in a loop, the share that the limit cut, the mean tokens.

    Shares and mean are nan without answers.
    """

    answers: int
    looping: float
    cut: float
    mean_tokens: float


def degeneration(answers: Sequence[GeneratedAnswer]) -> Degeneration:
    """The figures over a model's answers."""
    count = len(answers)
    if not count:
        return Degeneration(0, float("nan"), float("nan"), float("nan"))
    return Degeneration(
        count,
        sum(answer.loops for answer in answers) / count,
        sum(answer.cut for answer in answers) / count,
        sum(answer.answer_tokens for answer in answers) / count,
    )


def prompt_key(chat: Chat) -> str:
    """A checksum of all turns of a prompt."""
    turns = [[message.role, message.content] for message in chat]
    return hashlib.sha256(json.dumps(turns).encode()).hexdigest()[:32]


class AnswerFile:
    """The stored answers of one model to one set.

    Args:
        path: the file; the first write creates its folder.
        identity: JSON values that must match for stored answers to be used.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self._path = path
        self._header = json.dumps(dict(identity), sort_keys=True)

    def read(self) -> dict[str, GeneratedAnswer]:
        """The answers by their prompt's key; renames a file with another identity."""
        if not self._path.is_file():
            return {}
        # A killed process may have left an incomplete last line.
        whole, _, torn = self._path.read_text(encoding="utf-8").rpartition("\n")
        header, *lines = whole.split("\n")
        if header != self._header:
            self._set_aside(header)
            return {}
        if torn:
            self._path.write_text(f"{whole}\n", encoding="utf-8")
        rows = [json.loads(line) for line in lines]
        return {row.pop("key"): GeneratedAnswer(**row) for row in rows}

    def append(self, answers: Mapping[str, GeneratedAnswer]) -> None:
        """Appends answers by key, after the header if the file is new."""
        lines = [json.dumps({"key": of} | asdict(answer)) for of, answer in answers.items()]
        if not self._path.is_file():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lines.insert(0, self._header)
        with self._path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def _set_aside(self, header: str) -> None:
        old = self._path.with_suffix(".old.jsonl")
        self._path.replace(old)
        tqdm.write(
            f"{self._path.name}: answers under other conditions ({self._differing(header)}), "
            f"kept as {old.name}; generating them again"
        )

    def _differing(self, header: str) -> str:
        wanted = json.loads(self._header)
        try:
            found = dict(json.loads(header))
        except (ValueError, TypeError):
            return "no header"
        names = sorted(wanted.keys() | found.keys())
        return ", ".join(name for name in names if wanted.get(name) != found.get(name))
