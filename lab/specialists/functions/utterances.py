"""Utterances with intent and slots, from the public sets, in one form.

The sets' own test rows stay test rows. A training row that says the same as one of them, slots
apart, is left out.
"""

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from lab.datasets.draw import draw
from lab.datasets.manifest import read_rows
from lab.specialists.niche import Split

DATASETS = ("snips", "nlu_evaluation", "slurp_devel", "slurp", "restaurant8k", "bitext", "clinc150")
"""The data sets that are read."""

CHAT = frozenset(
    f"nlu/general_{kind}"
    for kind in ("affirm", "confirm", "dontcare", "explain", "negate", "praise", "repeat")
)
"""Intents that call nothing."""

_VALIDATION_SHARE = 0.04
_TEST_PARTS = frozenset({"test", "valid"})
_ANNOTATED = re.compile(r"\[(\w+) : ([^\]]+)\]")
_WORD = re.compile(r"\w+")
_DIGITS = frozenset({"order_id", "invoice_id", "refund_amount"})


@dataclass(frozen=True)
class Utterance:
    """What somebody said.

    Attributes:
        text: the words.
        intent: the set's short name and the intent.
        slots: names and values, which occur in the text.
        tested: whether its set holds it out.
        pattern: its words with slots in place of their values.
    """

    text: str
    intent: str
    slots: tuple[tuple[str, str], ...]
    tested: bool
    pattern: str = field(init=False)

    def __post_init__(self) -> None:
        text = self.text
        for name, value in sorted(self.slots, key=lambda slot: -len(slot[1])):
            text = text.replace(value, f" _{name}_ ")
        object.__setattr__(self, "pattern", " ".join(_WORD.findall(text.lower())))


@cache
def utterances(data_dir: Path) -> dict[Split, list[Utterance]]:
    """The utterances of the sets, by split.

    Args:
        data_dir: the folder of the data sets.

    Raises:
        DatasetError: a data set is absent or altered.
    """
    readers = (_snips, _nlu, _slurp, _restaurant8k, _bitext, _clinc)
    return split(utterance for reader in readers for utterance in reader(data_dir))


def split(given: Iterable[Utterance]) -> dict[Split, list[Utterance]]:
    """Utterances by split, each text once.

    One whose slots are not in its text is left out, and so is one for training that says the same
    as one for the test.
    """
    found: dict[str, Utterance] = {}
    for utterance in sorted(given, key=lambda utterance: not utterance.tested):
        if all(value in utterance.text for _, value in utterance.slots):
            found.setdefault(" ".join(_WORD.findall(utterance.text.lower())), utterance)
    patterns = {utterance.pattern for utterance in found.values() if utterance.tested}
    splits: dict[Split, list[Utterance]] = {"train": [], "validation": [], "test": []}
    for utterance in found.values():
        if utterance.tested:
            splits["test"].append(utterance)
        elif utterance.pattern not in patterns:
            validates = draw(utterance.pattern, "validation") < _VALIDATION_SHARE
            splits["validation" if validates else "train"].append(utterance)
    return splits


def _snips(data_dir: Path) -> Iterator[Utterance]:
    for row in read_rows("snips", data_dir):
        yield _utterance(row, f"snips/{row['intent']}", _named(row["slots"]))


def _nlu(data_dir: Path) -> Iterator[Utterance]:
    for row in read_rows("nlu_evaluation", data_dir):
        yield _utterance(row, f"nlu/{row['intent']}", _named(row["entities"]))


def _slurp(data_dir: Path) -> Iterator[Utterance]:
    for name, part in (("slurp_devel", "train"), ("slurp", "test")):
        for row in read_rows(name, data_dir):
            slots = [(slot, value.strip()) for slot, value in _ANNOTATED.findall(row["annotated"])]
            yield _utterance(row | {"split": part}, f"nlu/{row['intent']}", slots)


def _restaurant8k(data_dir: Path) -> Iterator[Utterance]:
    for row in read_rows("restaurant8k", data_dir):
        if len(row["slots"]) > 1:  # of "3", nobody knows what it is for
            yield _utterance(row, "restaurant8k", [*row["slots"].items()])


def _bitext(data_dir: Path) -> Iterator[Utterance]:
    for row in read_rows("bitext", data_dir):
        slot, value = row["entity_type"], row["entity_value"]
        text = row["utterance"]
        if slot in _DIGITS:  # the set has five numbers in all, which a model would learn by heart
            new = _other_digits(value, text)
            text, value = text.replace(value, new), new
        slots = [(slot, value)] if slot else []
        yield _utterance(row | {"text": text}, f"bitext/{row['intent']}", slots)


def _clinc(data_dir: Path) -> Iterator[Utterance]:
    for row in read_rows("clinc150", data_dir):
        yield _utterance(row, f"clinc/{row['intent']}", [])


def _named(entities: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(entity["entity"], entity["value"].strip()) for entity in entities]


def _utterance(row: dict[str, Any], intent: str, slots: list[tuple[str, str]]) -> Utterance:
    text = " ".join(row["text"].split())
    return Utterance(text, intent, tuple(slots), row["split"] in _TEST_PARTS)


def _other_digits(value: str, text: str) -> str:
    rng = random.Random(text)
    first = next((letter for letter in value if letter.isdigit()), "")
    digits = [rng.choice("0123456789") if letter.isdigit() else letter for letter in value]
    place = value.find(first)
    digits[place] = rng.choice("123456789")  # so that an amount is a number
    return "".join(digits)
