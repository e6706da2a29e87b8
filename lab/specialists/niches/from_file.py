"""A niche from a file of examples: what `niche specialists new` trains.

Rule: whatever would spoil the training or its measurement is refused here, before it starts.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployments.models.cache import sha256_of
from lab.datasets.manifest import DatasetError
from lab.datasets.sources import Dataset
from lab.specialists.niches.examples_file import read_examples
from lab.specialists.niches.niche import Example, Niche, Split
from lab.specialists.niches.splitting import split, without
from lab.statistics.jsonl import listed, shown
from router.grading.registry import GRADERS, as_read

_LEAST_ROWS = 30
_MOST_DISPUTED_SHOWN = 3
_LEAST_PER_CLASS = 3
"""Rows per different answer, from which on answers look like classes."""


@dataclass(frozen=True)
class NicheFile:
    """Where a niche's examples are, and what is known of them.

    Attributes:
        data: JSON Lines, as `lab.specialists.niches.examples_file` reads them.
        test_data: the like, for the test alone; None holds a tenth of `data` out for it.
        system_prompt: what the specialist is told first; None makes a sentence of its name.
        grader: a key of `GRADERS`; None: `json` where every answer is an object or a list in
            JSON, else `text`.
        max_answer_tokens: None: somewhat more than the longest answer that is not tested on.
        licence: the terms of the rows, for the model card.
    """

    data: Path
    test_data: Path | None = None
    system_prompt: str | None = None
    grader: str | None = None
    max_answer_tokens: int | None = None
    licence: str = "licence not stated"


@dataclass(frozen=True)
class OwnNiche:
    """A niche of one's own, its rows, and what should be known of them, a sentence each."""

    niche: Niche
    rows: dict[Split, list[Example]]
    notes: tuple[str, ...]


def niche_from_file(name: str, given: NicheFile, tokens: Callable[[str], int]) -> OwnNiche:
    """Reads, checks and splits the examples.

    Args:
        name: of the specialist.
        given: the files and settings.
        tokens: counts the base model's tokens of an answer.

    Raises:
        DatasetError: a file cannot be read, rows have faults, or they are too few; the message has
            a line for each fault, with file and row.
    """
    paths = [given.data] if given.test_data is None else [given.data, given.test_data]
    files = read_examples(*paths)
    grader = given.grader or _grader([example for rows in files for example in rows])
    _check_grader(grader, files)
    notes = _disputed(files)
    rows = _split(given, files, notes)
    notes += _unseen(rows)
    learnt = rows["train"] + rows["validation"]
    longest = max(tokens(example.answer) for example in learnt)

    def examples(part: Split, _: Path) -> Iterator[Example]:
        return iter(rows[part])

    niche = Niche(
        name=name,
        system_prompt=given.system_prompt or f"Task: {re.sub('[-_.]+', ' ', name).strip()}.",
        datasets=(),
        graders=(grader,),
        # A quarter more than was seen, and the token that ends the answer.
        max_answer_tokens=given.max_answer_tokens or longest + longest // 4 + 8,
        examples=examples,
        own_data=tuple(_described(path, given.licence) for path in paths),
    )
    return OwnNiche(niche, rows, tuple(notes))


def _grader(examples: Sequence[Example]) -> str:
    return "json" if all(_is_json(example.answer) for example in examples) else "text"


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _check_grader(name: str, files: Sequence[Sequence[Example]]) -> None:
    """Every row's own answer must be right: by another, nothing could be measured."""
    if name not in GRADERS:
        raise DatasetError(f"no grader {name!r}; known: {', '.join(GRADERS)}")
    faults, items = [], 0
    for example in (example for rows in files for example in rows):
        reason = ""
        try:
            read = as_read(example.answer, name, example.answer)
            counts = GRADERS[name](read, example.reference)
            items += counts.wanted
            reason = "" if counts.quality == 1 else "it would be graded wrong"
        except ValueError as error:
            reason = str(error)
        if reason:
            faults.append(
                f"{example.origin}: the grader {name!r} cannot use the answer "
                f"{shown(example.answer)} ({reason}); mend it, or name another grader"
            )
    if faults:
        raise DatasetError(listed(faults))
    if not items:
        raise DatasetError(f"the grader {name!r} finds nothing in any answer; name another grader")


def _split(
    given: NicheFile, files: Sequence[list[Example]], notes: list[str]
) -> dict[Split, list[Example]]:
    own = files[0]
    if given.test_data is None:
        rows = split(own, ("test", "validation"))
    else:
        kept = without(own, files[1])
        if len(kept) < len(own):
            notes.append(
                f"rows of {given.data.name} that are left out, since their prompts or groups "
                f"stand in {given.test_data.name} too: {len(own) - len(kept):,}"
            )
        own = kept
        rows = split(own, ("validation",)) | {"test": files[1]}
    if len(own) < _LEAST_ROWS:
        raise DatasetError(
            f"{given.data}: {len(own)} rows are too few to train, validate and test on; give at "
            f"least {_LEAST_ROWS}, and some hundreds to be good"
        )
    if len(rows["train"]) * 2 < len(own) or not all(rows.values()):
        counts = ", ".join(f"{part} {len(found)}" for part, found in rows.items())
        raise DatasetError(
            f"{given.data}: rows that share a group or a prompt stay together, and so too few are "
            f"left to one side ({counts}); give rows of more groups, or smaller groups"
        )
    return rows


def _disputed(files: Sequence[Sequence[Example]]) -> list[str]:
    """A note on prompts that have several answers, if there are any."""
    answers: dict[str, dict[str, str]] = defaultdict(dict)
    for example in (example for rows in files for example in rows):
        answers[example.prompt.strip()].setdefault(example.answer.strip(), example.origin)
    disputed = [list(found.values()) for found in answers.values() if len(found) > 1]
    if not disputed:
        return []
    places = "; ".join(" and ".join(found[:2]) for found in disputed[:_MOST_DISPUTED_SHOWN])
    return [f"prompts that have several different answers: {len(disputed):,}, such as {places}"]


def _unseen(rows: dict[Split, list[Example]]) -> list[str]:
    """A note on answers that are tested and never learnt, where answers are names of classes."""
    learnt = {example.answer for example in rows["train"]}
    if len(learnt) * _LEAST_PER_CLASS > len(rows["train"]):
        return []
    unseen = {of.answer: of.origin for of in rows["test"] if of.answer not in learnt}
    if not unseen:
        return []
    first = min(unseen)
    return [
        f"answers of test rows that no training row has: {len(unseen):,}, such as "
        f"{shown(first)} ({unseen[first]}); give more rows of them"
    ]


def _described(path: Path, licence: str) -> Dataset:
    return Dataset(
        path=path.name, source=f"own file {path.name}", licence=licence, sha256=sha256_of(path)
    )
