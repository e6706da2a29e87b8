"""A niche from a file of examples, for `niche specialists new`.

Rule: data that would invalidate the training or its evaluation is an error, before training starts.
Rule: rows that share a group or a prompt stay together in training, validation or test. The split
is drawn from their text, so except in the smallest files a test row stays one when rows are added.
"""

import json
import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployments.models.checksum import sha256_of
from lab.datasets.draw import draw
from lab.datasets.manifest import DatasetError
from lab.datasets.sources import Dataset
from lab.specialists.examples_file import read_examples
from lab.specialists.niche import Example, Niche, Split
from lab.statistics.jsonl import format_faults, shorten
from router.grading.registry import GRADERS, as_read

_MIN_ROWS = 30
_HELD_OUT_SHARE = 0.1
_MIN_HELD_OUT = 5
"""The fewest rows: in a smaller file, the random draw might hold out none."""
_MAX_CONTRADICTIONS_SHOWN = 3
_MIN_PER_CLASS = 3
"""With this many rows per distinct answer, answers count as classes."""


@dataclass(frozen=True)
class NicheFile:
    """The file of a niche's examples, and its settings.

    Attributes:
        data: JSON Lines, as `lab.specialists.examples_file` reads them.
        test_data: the same, for the test only; None: a tenth of `data` is held out.
        system_prompt: the specialist's system prompt; None: a sentence with its name.
        grader: a key of `GRADERS`; None: `json` if every answer is a JSON object or list, else
            `text`.
        max_answer_tokens: None: a quarter more than the longest answer outside the test rows.
        licence: the terms of the rows, for the model card.
    """

    data: Path
    test_data: Path | None = None
    system_prompt: str | None = None
    grader: str | None = None
    max_answer_tokens: int | None = None
    licence: str = "licence not stated"


@dataclass(frozen=True)
class LoadedNiche:
    """A niche from a file, its rows by split, and notes on them, a sentence each."""

    niche: Niche
    rows: dict[Split, list[Example]]
    notes: tuple[str, ...]


def niche_from_file(name: str, file: NicheFile, tokens: Callable[[str], int]) -> LoadedNiche:
    """Reads, checks and splits the examples.

    Args:
        name: of the specialist.
        file: the files and settings.
        tokens: counts the base model's tokens of an answer.

    Raises:
        DatasetError: a file cannot be read, rows have faults, or they are too few; the message has
            a line for each fault, with file and row.
    """
    paths = [file.data] if file.test_data is None else [file.data, file.test_data]
    files = read_examples(*paths)
    grader = file.grader or _grader([example for rows in files for example in rows])
    _check_grader(grader, files)
    notes = _contradictions(files)
    rows = _split(file, files, notes)
    notes += _untrained(rows)
    trained_on = rows["train"] + rows["validation"]
    longest = max(tokens(example.answer) for example in trained_on)

    def examples(part: Split, _: Path) -> Iterator[Example]:
        return iter(rows[part])

    niche = Niche(
        name=name,
        system_prompt=file.system_prompt or f"Task: {re.sub('[-_.]+', ' ', name).strip()}.",
        datasets=(),
        graders=(grader,),
        # A quarter more than the longest one, and the end-of-turn token.
        max_answer_tokens=file.max_answer_tokens or longest + longest // 4 + 8,
        examples=examples,
        own_data=tuple(_as_dataset(path, file.licence) for path in paths),
    )
    return LoadedNiche(niche, rows, tuple(notes))


def _grader(examples: Sequence[Example]) -> str:
    return "json" if all(_is_json(example.answer) for example in examples) else "text"


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _check_grader(name: str, files: Sequence[Sequence[Example]]) -> None:
    """Checks that the grader accepts every row's own answer."""
    if name not in GRADERS:
        raise DatasetError(f"no grader {name!r}; known: {', '.join(GRADERS)}")
    faults, items = [], 0
    for example in (example for rows in files for example in rows):
        reason = ""
        try:
            read = as_read(example.answer, name, example.answer)
            counts = GRADERS[name](read, example.reference)
            items += counts.wanted
            reason = "" if counts.quality == 1 else "it grades it as wrong"
        except ValueError as error:
            reason = str(error)
        if reason:
            faults.append(
                f"{example.origin}: the grader {name!r} cannot use the answer "
                f"{shorten(example.answer)} ({reason}); mend it, or name another grader"
            )
    if faults:
        raise DatasetError(format_faults(faults))
    if not items:
        raise DatasetError(f"the grader {name!r} finds nothing in any answer; name another grader")


def _split(
    file: NicheFile, files: Sequence[list[Example]], notes: list[str]
) -> dict[Split, list[Example]]:
    own = files[0]
    if file.test_data is None:
        rows = split_examples(own, ("test", "validation"))
    else:
        kept = without_held_out(own, files[1])
        if len(kept) < len(own):
            notes.append(
                f"rows of {file.data.name} left out because their prompts or groups "
                f"are also in {file.test_data.name}: {len(own) - len(kept):,}"
            )
        own = kept
        rows = split_examples(own, ("validation",)) | {"test": files[1]}
    if len(own) < _MIN_ROWS:
        raise DatasetError(
            f"{file.data}: {len(own)} rows are too few to train, validate and test on; give at "
            f"least {_MIN_ROWS}, and some hundreds to be good"
        )
    if len(rows["train"]) * 2 < len(own) or not all(rows.values()):
        counts = ", ".join(f"{part} {len(found)}" for part, found in rows.items())
        raise DatasetError(
            f"{file.data}: rows that share a group or a prompt stay together, which leaves too few "
            f"for one split ({counts}); give rows of more groups, or smaller groups"
        )
    return rows


def _contradictions(files: Sequence[Sequence[Example]]) -> list[str]:
    """A note on prompts with several answers, if there are any."""
    answers: dict[str, dict[str, str]] = defaultdict(dict)
    for example in (example for rows in files for example in rows):
        answers[example.prompt.strip()].setdefault(example.answer.strip(), example.origin)
    contradictory = [list(found.values()) for found in answers.values() if len(found) > 1]
    if not contradictory:
        return []
    places = "; ".join(
        " and ".join(found[:2]) for found in contradictory[:_MAX_CONTRADICTIONS_SHOWN]
    )
    return [
        f"prompts that have several different answers: {len(contradictory):,}, such as {places}"
    ]


def _untrained(rows: dict[Split, list[Example]]) -> list[str]:
    """A note on classes that occur in test rows but not in training rows."""
    learnt = {example.answer for example in rows["train"]}
    if len(learnt) * _MIN_PER_CLASS > len(rows["train"]):
        return []
    untrained = {row.answer: row.origin for row in rows["test"] if row.answer not in learnt}
    if not untrained:
        return []
    first = min(untrained)
    return [
        f"answers of test rows that no training row has: {len(untrained):,}, such as "
        f"{shorten(first)} ({untrained[first]}); give more rows of them"
    ]


def _as_dataset(path: Path, licence: str) -> Dataset:
    return Dataset(
        path=path.name, source=f"own file {path.name}", licence=licence, sha256=sha256_of(path)
    )


def key_of(prompt: str) -> str:
    """A key that ignores letter case and white space."""
    return " ".join(prompt.casefold().split())


def split_examples(
    examples: Sequence[Example], held_out: Sequence[Split]
) -> dict[Split, list[Example]]:
    """Holds out a tenth of the rows for each named split; the rest is for training.

    Args:
        examples: any number, in any order; every split keeps the order.
        held_out: splits besides `train`.
    """
    cluster_of = _clusters(examples)
    sizes = Counter(cluster_of)
    waiting = deque(sorted(sizes, key=lambda name: (draw(name, "split"), name)))
    side: dict[str, Split] = {}
    for place, part in enumerate(held_out, start=1):
        rows = 0
        while waiting and (
            draw(waiting[0], "split") < place * _HELD_OUT_SHARE or rows < _MIN_HELD_OUT
        ):
            name = waiting.popleft()
            side[name] = part
            rows += sizes[name]
    found: dict[Split, list[Example]] = {part: [] for part in ("train", *held_out)}
    for example, name in zip(examples, cluster_of, strict=True):
        found[side.get(name, "train")].append(example)
    return found


def without_held_out(examples: Iterable[Example], held_out: Iterable[Example]) -> list[Example]:
    """The examples whose prompt and group do not occur among the held-out ones."""
    prompts, groups = set(), set()
    for example in held_out:
        prompts.add(key_of(example.prompt))
        groups.add(example.group)
    groups.discard("")
    return [
        example
        for example in examples
        if example.group not in groups and key_of(example.prompt) not in prompts
    ]


def _clusters(examples: Sequence[Example]) -> list[str]:
    """A component name for each example; a chain of shared groups or prompts joins examples."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]  # path compression
            name = parent[name]
        return name

    for example in examples:
        prompt = root(f"prompt {key_of(example.prompt)}")
        if example.group:
            group = root(f"group {example.group}")
            # The smaller name wins, so the order of the rows does not matter.
            parent[max(prompt, group)] = min(prompt, group)
    return [root(f"prompt {key_of(example.prompt)}") for example in examples]
