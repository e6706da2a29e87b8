"""Answers on disk, so that a run that was cut goes on and nothing is computed twice.

One file per model and set of questions, JSON lines: a header, then an answer each. The header says
what answered and where (weights, precision, length limit, machine); an answer carries a checksum
of what was asked, its whole prompt. A file with another header is set aside, aloud; an answer to
what is no longer asked is never looked up.
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


@dataclass(frozen=True)
class Answer:
    """What a model said, and what it took.

    Attributes:
        text: without the token that ends the turn.
        prompt_tokens: of the whole chat, padding left out.
        answer_tokens: generated, without the one that ends the turn.
        cut: the length limit ended it.
        loops: it ends in a loop (`lab.specialists.evaluation.degeneration`).
        seconds: its share of the engine's time: that of its batch, divided by the batch's rows.
    """

    text: str
    prompt_tokens: int
    answer_tokens: int
    cut: bool
    loops: bool
    seconds: float


def key(chat: Chat) -> str:
    """A checksum of all that is asked."""
    turns = [[message.role, message.content] for message in chat]
    return hashlib.sha256(json.dumps(turns).encode()).hexdigest()[:32]


class AnswerFile:
    """The answers of one model to one set.

    Args:
        path: the file; its folder is made on the first write.
        identity: what must be the same for an answer to be used again, JSON values alone.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self._path = path
        self._header = json.dumps(dict(identity), sort_keys=True)

    def read(self) -> dict[str, Answer]:
        """The answers by the key of what was asked; sets a file of another identity aside."""
        if not self._path.is_file():
            return {}
        # What a kill left of a last line is no line.
        whole, _, torn = self._path.read_text(encoding="utf-8").rpartition("\n")
        header, *lines = whole.split("\n")
        if header != self._header:
            self._set_aside(header)
            return {}
        if torn:
            self._path.write_text(f"{whole}\n", encoding="utf-8")
        rows = [json.loads(line) for line in lines]
        return {row.pop("key"): Answer(**row) for row in rows}

    def append(self, answers: Mapping[str, Answer]) -> None:
        """Adds answers by key, and the header where the file is new."""
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
            f"kept as {old.name}; asking again"
        )

    def _differing(self, header: str) -> str:
        wanted = json.loads(self._header)
        try:
            found = dict(json.loads(header))
        except (ValueError, TypeError):
            return "no header"
        names = sorted(wanted.keys() | found.keys())
        return ", ".join(name for name in names if wanted.get(name) != found.get(name))
