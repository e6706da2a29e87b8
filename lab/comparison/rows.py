"""The prompts of a comparison, from JSON Lines.

Each line is an object with these fields:

    prompt a user's message; or
    messages             a conversation, [{"role": ..., "content": ...}], that ends with the user
    answer the right answer, as text; optional for a judge
    grader               a name of `router.grading`, or `judge`
    schema               `CREATE TABLE` statements, for the grader that executes a query
    domain the domain it belongs to; `general` has no specialist
    group rows that are drawn together: a document, a table, a session
    max_tokens longer answers are cut, for every model
    generalist_messages the generalist's messages instead, if it needs more instructions than
                         a specialist does
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lab.comparison.errors import ComparisonError
from lab.statistics.jsonl import Fault, read_jsonl
from router.errors import DataError
from router.grading.counts import Reference
from router.grading.registry import GRADERS, as_read

GENERAL, JUDGE = "general", "judge"


class Turn(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1)


Chat = tuple[Turn, ...]


@dataclass(frozen=True)
class Row:
    """A prompt with its right answer and labels.

    Attributes:
        key: a checksum of the row, which identifies its stored answers.
        chat: the messages.
        generalist_chat: the messages for the generalist: the same, unless the row has others.
        grader: a key of `GRADERS`, or `JUDGE`.
        reference: what a grader compares the answer with.
        domain: empty if the row names none.
        group: empty if the row is its own group.
        max_tokens: None if the row names none.
    """

    key: str
    chat: Chat
    generalist_chat: Chat
    grader: str
    reference: Reference
    domain: str = ""
    group: str = ""
    max_tokens: int | None = None


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str | None = Field(default=None, min_length=1)
    messages: Chat = ()
    answer: str = ""
    grader: str
    tables: str = Field(default="", alias="schema")
    domain: str = ""
    group: str = ""
    max_tokens: int | None = Field(default=None, ge=1)
    generalist_messages: Chat = ()

    @model_validator(mode="after")
    def _gradable(self) -> "_Line":
        if bool(self.messages) == (self.prompt is not None):
            raise ValueError("give either prompt or messages")
        for chat in (self.messages, self.generalist_messages):
            if chat and chat[-1].role != "user":
                raise ValueError("messages must end with the user's")
        if self.grader == JUDGE:
            return self
        if self.grader not in GRADERS:
            known = ", ".join([*GRADERS, JUDGE])
            raise ValueError(f"no grader {self.grader!r}; known: {known}")
        # Also raises if the grader cannot use the answer, such as a query without a schema.
        if _own_quality(self.answer, self.grader, self.tables) < 1:
            raise ValueError(
                f"the grader {self.grader!r} rejects the row's own answer; correct one of them"
            )
        return self


def _own_quality(answer: str, grader: str, tables: str) -> float:
    if not answer:
        raise ValueError(f"no answer; the grader {grader!r} needs the right one")
    return GRADERS[grader](as_read(answer, grader, answer), Reference(answer, tables)).quality


def read_rows(path: Path) -> list[Row]:
    """The rows of a file, in order.

    Raises:
        ComparisonError: the file cannot be read, is empty, or has faulty rows; all are listed.
    """
    known: set[str] = set()

    def parse(fields: dict[str, Any]) -> Row:
        row = _row(fields)
        if row.key in known:
            raise Fault("the same row twice; remove one of them")
        known.add(row.key)
        return row

    try:
        return read_jsonl(path, parse)
    except DataError as error:
        raise ComparisonError(str(error)) from error


def _row(fields: dict[str, Any]) -> Row:
    try:
        found = _Line.model_validate(fields)
    except ValidationError as error:
        raise Fault("; ".join(map(_fault_text, error.errors()))) from error
    chat = found.messages or (Turn(role="user", content=found.prompt or ""),)
    said = json.dumps(found.model_dump(), sort_keys=True)
    return Row(
        key=hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        chat=chat,
        generalist_chat=found.generalist_messages or chat,
        grader=found.grader,
        reference=Reference(found.answer, found.tables),
        domain=found.domain,
        group=found.group,
        max_tokens=found.max_tokens,
    )


def _fault_text(fault: Any) -> str:
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        names = [of.alias or name for name, of in _Line.model_fields.items()]
        return f"unknown field {where!r}; allowed: {', '.join(names)}"
    return f"{where}: {fault['msg']}" if where else str(fault["msg"])
