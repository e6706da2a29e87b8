"""Rows of a function-calling set: an utterance, some functions, and the call of one of them.

The training rows that share their functions share the beginning of their prompt, so that training
reads it once. A test row has functions of its own. Some utterances are for none of the functions,
and the answer says so.
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployments.tagged_calls import call_text
from lab.datasets.draw import draw
from lab.specialists.functions.catalogue import Function, functions
from lab.specialists.functions.utterances import CHAT, Utterance, utterances
from lab.specialists.niche import Example, Split

NO_CALL = "None of these functions fits."
"""The answer to an utterance that is for none of the functions."""

_SYSTEM_PROMPTS = (
    "You are a helpful assistant.",
    "You are a helpful assistant. Use the tools where they help.",
    "You are a voice assistant.",
    "Answer the user, and call a function if one fits.",
)
_OTHER_SYSTEM_PROMPT = 0.3
_SHOWN = (3, 3, 4, 4, 5)
"""Functions in a prompt, to draw from."""
_ROWS_PER_SET = 8
_NEAR = 5
_NONE_FITS = 1 / _ROWS_PER_SET
_MOST_ROWS = {"train": 50, "validation": 3, "test": 16}
_MOST_CHAT = {"train": 10, "validation": 1, "test": 4}


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)


def _noun_first(name: str) -> str:
    verb, _, noun = name.partition("_")
    return f"{noun}_{verb}" if noun else verb


_SPELLINGS = (str, str, str, str, str, _camel_case, _noun_first)
"""To draw from: a name is to be copied from the prompt, and not to be known by heart."""


@dataclass(frozen=True)
class _Row:
    """An utterance and the function that it calls; of a chat, none."""

    utterance: Utterance
    function: Function | None


def seen(split: Split, data_dir: Path) -> Iterator[Example]:
    """The examples of the functions that are trained.

    Args:
        split: which of them.
        data_dir: the folder of the data sets.

    Raises:
        DatasetError: a data set is absent or altered.
    """
    shown = tuple(of for of in functions() if not of.held_out)
    given = utterances(data_dir)[split]
    yield from single_rows(given, shown) if split == "test" else shared_rows(given, shown, split)


def unseen(data_dir: Path) -> Iterator[Example]:
    """Test rows of the functions that are held out, shown among their like.

    Raises:
        DatasetError: a data set is absent or altered.
    """
    shown = tuple(of for of in functions() if of.held_out)
    yield from single_rows(utterances(data_dir)["test"], shown)


def single_rows(given: Sequence[Utterance], shown: Sequence[Function]) -> Iterator[Example]:
    """Test rows, each with functions of its own.

    Args:
        given: utterances; those of intents that none of the functions has are left out.
        shown: functions that prompts may have.
    """
    for row in _rows(shown, "test", given):
        rng = random.Random(row.utterance.text)
        function = row.function
        if function is None or rng.random() < _NONE_FITS:
            strange = [of for of in shown if function is None or not of.resembles(function)]
            company = _company(rng.choice(strange), shown, rng, without=function)
        else:
            company = _company(function, shown, rng)
        yield _example(row, company)


def shared_rows(
    given: Sequence[Utterance], shown: Sequence[Function], split: Split
) -> Iterator[Example]:
    """Rows that share their functions, until each utterance was used once.

    Args:
        given: as for `single_rows`.
        shown: likewise.
        split: of the rows.
    """
    rng = random.Random(f"functions {split}")
    waiting: dict[str, list[_Row]] = {}
    for row in _rows(shown, split, given):
        waiting.setdefault(row.function.name if row.function else "", []).append(row)
    by_name = {of.name: of for of in shown}
    while any(waiting.values()):
        names = sorted(name for name, left in waiting.items() if left)
        (name,) = rng.choices(names, [len(waiting[name]) for name in names])
        company = _company(by_name.get(name) or rng.choice(shown), shown, rng)
        system = rng.choice(_SYSTEM_PROMPTS) if rng.random() < _OTHER_SYSTEM_PROMPT else ""
        spelling = rng.choice(_SPELLINGS)
        taken = _taken(waiting, company, by_name, rng)
        rng.shuffle(taken)
        for row in taken:
            yield _example(row, company, system, spelling)


def _rows(shown: Sequence[Function], split: Split, given: Sequence[Utterance]) -> list[_Row]:
    by_intent = {intent: of for of in shown for intent in of.intents}
    found: dict[str, list[_Row]] = {}
    for utterance in sorted(given, key=lambda utterance: draw(utterance.text, "functions")):
        function = by_intent.get(utterance.intent)
        if function is None:
            if utterance.intent in CHAT:
                found.setdefault(utterance.intent, []).append(_Row(utterance, None))
        elif function.arguments(utterance.slots) is not None:
            found.setdefault(function.name, []).append(_Row(utterance, function))
    return [
        row
        for name in sorted(found)
        for row in found[name][: (_MOST_CHAT if name in CHAT else _MOST_ROWS)[split]]
    ]


def _taken(
    waiting: dict[str, list[_Row]],
    company: Sequence[Function],
    by_name: dict[str, Function],
    rng: random.Random,
) -> list[_Row]:
    """Takes the rows for some functions, and one that is for none of them."""
    taken = []
    others = [
        name
        for name, left in sorted(waiting.items())
        if left and (not name or not any(by_name[name].resembles(of) for of in company))
    ]
    if others:
        (name,) = rng.choices(others, [len(waiting[name]) for name in others])
        taken.append(waiting[name].pop())
    names = [of.name for of in company if waiting.get(of.name)]
    while names and len(taken) < _ROWS_PER_SET:
        (name,) = rng.choices(names, [len(waiting[name]) for name in names])
        taken.append(waiting[name].pop())
        names = [name for name in names if waiting[name]]
    return taken


def _company(
    first: Function, shown: Sequence[Function], rng: random.Random, without: Function | None = None
) -> tuple[Function, ...]:
    """A function and others that it cannot be mistaken for, the first of which is about the same
    things, in random order; none is like `without`."""
    chosen, count = [first], rng.choice(_SHOWN)
    place = shown.index(first)
    near = shown[max(0, place - _NEAR) : place + _NEAR + 1]
    for candidate in [*rng.sample(near, len(near))[:2], *rng.sample(shown, len(shown))]:
        alike = (*chosen, without) if without else chosen
        if len(chosen) < count and not any(candidate.resembles(of) for of in alike):
            chosen.append(candidate)
    rng.shuffle(chosen)
    return tuple(chosen)


def _example(
    row: _Row,
    company: Sequence[Function],
    system: str = "",
    spelling: Callable[[str], str] = str,
) -> Example:
    function = row.function if row.function in company else None
    return Example(
        prompt=row.utterance.text,
        answer=NO_CALL if function is None else _call(function.spelled(spelling), row.utterance),
        group="" if function is None else function.name,
        tools=json.dumps([of.spelled(spelling).tool for of in company]),
        system=system,
    )


def _call(function: Function, utterance: Utterance) -> str:
    arguments = function.arguments(utterance.slots)
    return call_text(function.name, json.dumps(arguments, ensure_ascii=False))
