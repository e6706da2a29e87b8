"""Renamed keys of `niche.yaml`: the hint in an error, and the migration of a file.

Migration replaces only the names and values that changed; the rest of the file, comments included,
stays as it is. Pure: text in, text out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from deployments.strict_yaml import StrictLoader

Place = tuple[int | str, ...]
"""The keys and indices from the top of a file to a value."""


class MigrationError(Exception):
    """A file cannot be migrated automatically; the message names the key and the manual fix."""


@dataclass(frozen=True, slots=True)
class Rename:
    """A key that was renamed.

    Attributes:
        place: its location; `*` is any item of a list.
        name: its new name, in the same section.
        negated: whether its value changed sign.
    """

    place: tuple[str, ...]
    name: str
    negated: bool = False

    def hint(self) -> str:
        """The hint for an error message."""
        sign = ", and its value changed its sign" if self.negated else ""
        return f"renamed to {self.name}{sign}; niche config migrate rewrites the file"


_SHADOW = ("gateway", "shadow")

RENAMES = (
    Rename(("generalist", "begins"), "initial_state"),
    Rename(("specialists", "*", "begins"), "initial_state"),
    Rename(("router", "scope_threshold"), "max_ood_score", negated=True),
    Rename(("router", "max_batch"), "max_batch_size"),
    Rename(("router", "selection", "late_pairs"), "pairs_per_false_alarm"),
    Rename((*_SHADOW, "share"), "sample_ratio"),
    Rename((*_SHADOW, "trial_share"), "trial_sample_ratio"),
    Rename((*_SHADOW, "busy_requests"), "max_requests_in_flight"),
    Rename((*_SHADOW, "tokens_per_day"), "max_tokens_per_day"),
    Rename((*_SHADOW, "cost_per_day"), "max_cost_per_day"),
    Rename((*_SHADOW, "grading", "*", "by"), "method"),
)

_NUMBER = re.compile(r"[-+]?[0-9.][0-9.eE+_-]*")
_BY_PLACE = {rename.place: rename for rename in RENAMES}


def rename_at(place: Place) -> Rename | None:
    """The rename of the key at this location; None: it was not renamed."""
    return _BY_PLACE.get(tuple("*" if isinstance(part, int) else part for part in place))


def migrate(text: str) -> str:
    """The text of a `niche.yaml` with the new names; unchanged if it has no old names.

    Raises:
        yaml.YAMLError: the text is not YAML, or a key is in one mapping twice.
        MigrationError: old and new name are both set, a value is not a plain number, or one has
            no end.
    """
    try:
        root = yaml.compose(text, Loader=StrictLoader)
        edits = dict.fromkeys(edit for renamed in _renamed(root) for edit in _edits(text, *renamed))
    except RecursionError as error:
        raise MigrationError(
            "a value is nested too deeply, or an alias stands within what it names; write it out"
        ) from error
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    text: str


_Found = tuple[Rename, yaml.Node, yaml.Node]
"""The rename, the key's node, and the value's node."""


def _renamed(node: yaml.Node | None, place: Place = ()) -> Iterator[_Found]:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _renamed(item, (*place, index))
    elif isinstance(node, yaml.MappingNode):
        names = {key.value for key, _ in node.value}
        for key, value in node.value:
            rename = rename_at((*place, key.value))
            if rename is not None:
                _check_alone(rename, key, names)
                yield rename, key, value
            # Merged keys belong to this section.
            yield from _renamed(value, place if key.value == "<<" else (*place, key.value))


def _check_alone(rename: Rename, key: yaml.Node, names: set[str]) -> None:
    if rename.name in names:
        raise MigrationError(
            f"{_line(key)}: both {key.value} and its new name {rename.name} are set; remove one"
        )


def _edits(text: str, rename: Rename, key: yaml.Node, value: yaml.Node) -> Iterator[_Edit]:
    yield _Edit(key.start_mark.index, key.end_mark.index, rename.name)
    if not rename.negated or value.tag == "tag:yaml.org,2002:null":
        return
    start, end = value.start_mark.index, value.end_mark.index
    if start < key.end_mark.index or not _NUMBER.fullmatch(text[start:end]):
        raise MigrationError(f"{_line(key)}: {key.value}: write its value as a plain number")
    yield _Edit(start, end, _negated(text[start:end]))


def _negated(number: str) -> str:
    return number[1:] if number.startswith("-") else f"-{number.removeprefix('+')}"


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"
