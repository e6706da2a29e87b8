"""The forms in which users put a prompt, made from any prompt: rows that teach task, not topic.

Three families:

1. **Other task**: the text inside another task ("Translate into Finnish: ..."), by the user's words
   or by a system prompt. No specialist should get it: labelled `general`.
2. **Same task**: the request in a mail, a quotation, a list, after a document, in the middle of a
   long text, below a neutral system prompt or one that sets the domain's own task, with typos. It
   keeps its label.
3. **Plain**: the prompt as it is.

Rule: each form is drawn for the rows of all labels alike, since a router learns a form that only
one label has as a sign of that label. Each draw depends only on the text and a salt, so the same
rows give the same forms.

The wordings are in `texts/`. Whole kinds are held out: they measure, and never train.
"""

import hashlib
import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from deployments.protocol import Message
from lab.routing.noise import doubled, dropped, mistyped, swapped
from lab.routing.rows import HasExcessLoss, LabelledRow, query_of
from router.classifier import text_of
from router.request_text import SYSTEM_LABEL
from router.types import GENERAL, Query

TEXTS = Path(__file__).parent / "texts"

PLAIN = "plain"
OTHER_TASK = "other task"
OTHER_TASK_BY_SYSTEM = "other task by system prompt"
AFTER_DOCUMENT = "after a document"
IN_LONG_TEXT = "in a long text"
SYSTEM_PROMPT = "neutral system prompt"
CONTEXT_IN_SYSTEM = "context in the system prompt"
OWN_TASK_BY_SYSTEM = "own task by system prompt"
TYPOS = "typos"

OTHER_TASKS = (OTHER_TASK, OTHER_TASK_BY_SYSTEM)
SET_BY_SYSTEM = (OTHER_TASK_BY_SYSTEM, OWN_TASK_BY_SYSTEM)
"""Forms whose system prompt says what the task is."""
_SAME_TASK = (
    *(AFTER_DOCUMENT, IN_LONG_TEXT, SYSTEM_PROMPT, CONTEXT_IN_SYSTEM, TYPOS),
    OWN_TASK_BY_SYSTEM,
)

_LONG = (AFTER_DOCUMENT, IN_LONG_TEXT)
"""Forms that are shortened."""

MIX: Mapping[str, float] = {
    PLAIN: 0.48,
    SYSTEM_PROMPT: 0.1,
    OWN_TASK_BY_SYSTEM: 0.02,
    OTHER_TASK: 0.08,
    OTHER_TASK_BY_SYSTEM: 0.05,
    AFTER_DOCUMENT: 0.05,
    IN_LONG_TEXT: 0.05,
    TYPOS: 0.05,
    CONTEXT_IN_SYSTEM: 0.02,
}
"""The traffic that a guarantee assumes: the share of each form; the frames share the rest."""


@dataclass(frozen=True, slots=True)
class OtherTask:
    """A task that a text can be put into.

    Attributes:
        kind: its name.
        user: wordings with `{text}`, and perhaps with slots.
        system: system prompts; the user's message is then the bare text.
        slots: values of the slots in `user`.
    """

    kind: str
    user: tuple[str, ...]
    system: tuple[str, ...]
    slots: Mapping[str, tuple[str, ...]]

    def by_user(self, text: str, rng: random.Random) -> str:
        """The text inside this task."""
        wording = rng.choice(self.user)
        for name, values in self.slots.items():
            wording = wording.replace(f"{{{name}}}", rng.choice(values))
        return wording.replace("{text}", text)


@dataclass(frozen=True, slots=True)
class Frame:
    """Surroundings that leave the task as it is: wordings with `{text}`."""

    form: str
    wordings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wordings:
    """The wordings of one side: those that train, or those that are held out.

    Attributes:
        other_tasks: the other tasks.
        frames: surroundings, by their form.
        systems: neutral system prompts.
        fillers: texts without a request.
        own_tasks: system prompts that set a domain's own task, by the domain.
        recombined: whether parts of several wordings are put together, so that a router learns
            what they have in common and not the few wordings by heart.
    """

    other_tasks: tuple[OtherTask, ...]
    frames: Mapping[str, tuple[Frame, ...]]
    systems: tuple[str, ...]
    fillers: tuple[str, ...]
    own_tasks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    recombined: bool = False

    @property
    def forms(self) -> tuple[str, ...]:
        """The names of all forms, plain first."""
        return (PLAIN, OWN_TASK_BY_SYSTEM, *_MAKERS, *self.frames)

    def with_own_tasks(self, found: Mapping[str, Sequence[str]]) -> "Wordings":
        """These wordings with more system prompts that set a domain's own task, and of the domains
        in `found` alone: another's may be near to one of these."""
        merged = {name: (*self.own_tasks.get(name, ()), *found[name]) for name in sorted(found)}
        return replace(self, own_tasks={name: own for name, own in merged.items() if own})

    def apart(self, every: int) -> tuple["Wordings", "Wordings"]:
        """These wordings without every n-th kind of other task and every n-th neutral system
        prompt, and these alone."""
        kinds = {task.kind for task in self.other_tasks[::every]}
        aside = set(self.systems[::every])
        kept = replace(
            self.without(kinds), systems=tuple(text for text in self.systems if text not in aside)
        )
        tasks = tuple(task for task in self.other_tasks if task.kind in kinds)
        return kept, replace(self, other_tasks=tasks, systems=tuple(sorted(aside)))

    def without(self, kinds: set[str]) -> "Wordings":
        """These wordings without some kinds of other task."""
        kept = tuple(task for task in self.other_tasks if task.kind not in kinds)
        return replace(self, other_tasks=kept)

    def framed(self, text: str, form: str, rng: random.Random) -> str:
        """The text in a frame of this form."""
        if not self.recombined or form not in _LOOSE or rng.random() < 1 / 2:
            return rng.choice(rng.choice(self.frames[form]).wordings).replace("{text}", text)
        before, after = (
            rng.choice(rng.choice(self.frames[rng.choice(_LOOSE)]).wordings).partition("{text}")
            for _ in range(2)
        )
        opening = before[0] if rng.random() < _KEPT else ""
        closing = after[2] if rng.random() < _KEPT else ""
        return f"{opening}{text}{closing}"

    def system(self, rng: random.Random) -> str:
        """A neutral system prompt."""
        chosen = rng.choice(self.systems)
        if not self.recombined or rng.random() < 1 / 2:
            return chosen
        prompts = (chosen, rng.choice(self.systems))[: rng.randint(1, 2)]
        return " ".join(_slice(prompt, rng) for prompt in prompts)

    def task_prompt(self, rng: random.Random) -> str:
        """A system prompt that sets another task."""
        task = rng.choice(rng.choice(self.other_tasks).system)
        if self.recombined and rng.random() < _KEPT / 2:
            return "\n".join(rng.sample((task, _slice(rng.choice(self.systems), rng)), 2))
        return task

    def filler(self, rng: random.Random) -> str:
        """A text without a request."""
        chosen = rng.choice(self.fillers)
        return _slice(chosen, rng) if self.recombined and rng.random() < _KEPT else chosen


@dataclass(frozen=True, slots=True)
class FormedRow:
    """A labelled prompt in a form; implements `lab.routing.rows.LabelledRow`.

    Attributes:
        query: the prompt in its form.
        domain: its label.
        form: the form's name.
        group, split, source, excess_loss: those of the prompt.
        prompt: the prompt in no form.
    """

    query: Query
    domain: str
    form: str
    group: str
    split: str | None
    source: str
    excess_loss: float | None = None
    prompt: str = ""

    @property
    def text(self) -> str:
        """The user's message."""
        return text_of(self.query)


def in_some_forms(row: LabelledRow, wordings: Wordings) -> list[FormedRow]:
    """Four forms of a row, to train on: other task twice, a frame, one other form.

    A conversation stays as it is: it has no forms.
    """
    rng = _rng("some", row.text)
    forms = (*OTHER_TASKS, rng.choice(list(wordings.frames)), rng.choice(_SAME_TASK))
    made = (in_form(row, form, wordings) for form in forms)
    return [found for found in made if found is not None]


def in_mix(row: LabelledRow, wordings: Wordings) -> FormedRow:
    """A row in one form, drawn by `MIX`."""
    each = (1 - sum(MIX.values())) / len(wordings.frames)
    shares = {**MIX, **dict.fromkeys(wordings.frames, each)}
    form = _rng("mix", row.text).choices(list(shares), list(shares.values()))[0]
    made = in_form(row, form, wordings)
    return made or _row(row, query_of(row), row.domain, PLAIN)


def in_form(row: LabelledRow, form: str, wordings: Wordings) -> FormedRow | None:
    """A row in a form; None if it cannot take it, as a conversation cannot."""
    said = query_of(row)
    if len(said.messages) > 1:
        return None
    made = formed(row.text, row.domain, form, wordings)
    return None if made is None else _row(row, *made, form)


def _row(row: LabelledRow, query: Query, domain: str, form: str) -> FormedRow:
    # A pair's outcome is about the plain prompt: in another form the models' answers are unknown.
    known = row.excess_loss if form == PLAIN and isinstance(row, HasExcessLoss) else None
    return FormedRow(query, domain, form, row.group, row.split, row.source, known, row.text)


def formed(
    text: str, domain: str, form: str, wordings: Wordings, salt: str = ""
) -> tuple[Query, str] | None:
    """A prompt in a form, and its label.

    Args:
        text: the prompt.
        domain: its label.
        form: one of `wordings.forms`.
        wordings: the wordings to draw from.
        salt: another one gives another draw.

    Returns:
        None if the prompt cannot take this form.
    """
    rng = _rng(salt, form, text)
    if form == PLAIN:
        return said(text), domain
    if form in wordings.frames:
        inner = text
        if wordings.recombined and rng.random() < _TWICE:
            inner = wordings.framed(text, rng.choice(_LOOSE), rng)
        return said(wordings.framed(inner, form, rng)), domain
    if form == OWN_TASK_BY_SYSTEM:
        query = _own_task_by_system(text, domain, wordings, rng)
    else:
        query = _MAKERS[form](text, wordings, rng)
    if query is None:
        return None
    return query, GENERAL if form in OTHER_TASKS else domain


def _rng(*parts: str) -> random.Random:
    return random.Random(hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).digest())


def label(form: str, domain: str, prompt: str, text: str) -> str | None:
    """The label of a text that is encoded.

    Args:
        form: of the prompt.
        domain: the label of the prompt in this form.
        prompt: the prompt in no form.
        text: what is encoded.

    Returns:
        None if a system prompt that sets a task is not in the text, which then does not show the
        task. `GENERAL` if shortening left less than half of the prompt's words.
    """
    if form == OTHER_TASK_BY_SYSTEM:
        return domain if text.startswith(SYSTEM_LABEL) else None
    if form not in _LONG:
        return domain
    words = set(prompt.split())
    return domain if 2 * len(words & set(text.split())) >= len(words) else GENERAL


def said(text: str, system: str = "") -> Query:
    """A message of the user, below a system prompt if one is given."""
    above = (Message("system", system),) if system else ()
    return Query((*above, Message("user", text)))


def _other_task(text: str, wordings: Wordings, rng: random.Random) -> Query:
    inside = rng.choice(wordings.other_tasks).by_user(text, rng)
    if wordings.recombined and rng.random() < _TWICE:
        inside = wordings.framed(inside, rng.choice(_LOOSE), rng)
    # An assistant's usual system prompt must not hide the task that the user sets.
    return said(inside, wordings.system(rng) if rng.random() < _WITH_SYSTEM else "")


def _other_task_by_system(text: str, wordings: Wordings, rng: random.Random) -> Query:
    return said(text, wordings.task_prompt(rng))


def _own_task_by_system(
    text: str, domain: str, wordings: Wordings, rng: random.Random
) -> Query | None:
    """Below a system prompt of the domain; what no specialist should get, below one of any."""
    if domain != GENERAL:
        systems = wordings.own_tasks.get(domain)
    else:
        systems = rng.choice(list(wordings.own_tasks.values())) if wordings.own_tasks else None
    return said(text, rng.choice(systems)) if systems else None


def _after_document(text: str, wordings: Wordings, rng: random.Random) -> Query:
    between = rng.choice(("\n\n", "\n\n---\n\n", "\n", "\n\n\n"))
    return said(f"{wordings.filler(rng)}{between}{text}")


def _in_long_text(text: str, wordings: Wordings, rng: random.Random) -> Query:
    before = [wordings.filler(rng) for _ in range(rng.randint(1, 3))]
    after = [wordings.filler(rng) for _ in range(rng.randint(1, 2))]
    return said("\n\n".join([*before, text, *after]))


def _below_system_prompt(text: str, wordings: Wordings, rng: random.Random) -> Query:
    return said(text, wordings.system(rng))


def _context_in_system(text: str, wordings: Wordings, rng: random.Random) -> Query | None:
    context, _, request = text.strip().rpartition("\n")
    if not context.strip():
        return None
    above = wordings.system(rng) if rng.random() < 1 / 2 else ""
    return said(request, f"{above}\n{context}".strip())


def _with_typos(text: str, _: Wordings, rng: random.Random) -> Query:
    share = rng.uniform(*_TYPO_SHARES)
    words = text.split(" ")
    for place, word in enumerate(words):
        if len(word) > 2 and word.isalpha() and rng.random() < share:
            typo = rng.choice((swapped, dropped, doubled, mistyped))
            words[place] = typo(word, rng.randrange(1, len(word) - 1), rng)
    return said(" ".join(words))


def _slice(text: str, rng: random.Random) -> str:
    """Some lines or sentences of a text that follow one another."""
    parts = _SENTENCES.split(text)
    first = rng.randrange(len(parts))
    kept = parts[first : first + rng.randint(1, _MOST_SENTENCES)]
    return ("\n" if "\n" in text else " ").join(kept)


def filler_alone(wordings: Wordings, rng: random.Random) -> str:
    """A text without any request; whole texts, since a sentence of one may be a niche's own."""
    return "\n\n".join(rng.choice(wordings.fillers) for _ in range(rng.randint(1, 4)))


_LOOSE = ("mail", "forwarded", "politeness", "small talk")
"""Forms whose openings and closings fit together."""
_KEPT = 0.7
_TWICE = 0.15
_SENTENCES = re.compile(r"\n+|(?<=[.!?])\s+")
_MOST_SENTENCES = 8
_WITH_SYSTEM = 0.15
_TYPO_SHARES = (0.08, 0.4)
"""Of the words."""

_MAKERS: Mapping[str, Callable[[str, Wordings, random.Random], Query | None]] = {
    OTHER_TASK: _other_task,
    OTHER_TASK_BY_SYSTEM: _other_task_by_system,
    AFTER_DOCUMENT: _after_document,
    IN_LONG_TEXT: _in_long_text,
    SYSTEM_PROMPT: _below_system_prompt,
    CONTEXT_IN_SYSTEM: _context_in_system,
    TYPOS: _with_typos,
}


@dataclass(frozen=True, slots=True)
class TuningPrompt:
    """A prompt to tune an encoder on: its text, its label, and how often it is drawn relative to
    others."""

    text: str
    domain: str
    weight: float = 1.0


@cache
def wordings(held_out: bool) -> Wordings:
    """The wordings that train (False), or those that are held out for measuring (True)."""

    def rows(name: str) -> list[dict[str, Any]]:
        lines = (TEXTS / name).read_text(encoding="utf-8").splitlines()
        return [row for row in map(json.loads, lines) if row["held_out"] == held_out]

    frames: dict[str, tuple[Frame, ...]] = {}
    for row in rows("frames.jsonl"):
        frame = Frame(row["form"], tuple(row["wordings"]))
        frames[frame.form] = (*frames.get(frame.form, ()), frame)
    own_tasks: dict[str, tuple[str, ...]] = {}
    for row in rows("own_tasks.jsonl"):
        own_tasks[row["domain"]] = (*own_tasks.get(row["domain"], ()), row["text"])
    return Wordings(
        other_tasks=tuple(
            OtherTask(
                row["kind"],
                tuple(row["user"]),
                tuple(row["system"]),
                {name: tuple(values) for name, values in row.get("slots", {}).items()},
            )
            for row in rows("other_tasks.jsonl")
        ),
        frames=frames,
        systems=tuple(row["text"] for row in rows("systems.jsonl")),
        fillers=tuple(row["text"] for row in rows("fillers.jsonl")),
        own_tasks=own_tasks,
        recombined=not held_out,
    )
