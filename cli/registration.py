"""One more specialist in `niche.yaml`, by inserting text: everything else stays byte for byte.

Rule: what was inserted is believed only when it was read again. The new text must parse to the old
content with the new specialist after the others, and be valid; else the file stays as it is.
"""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from yaml.events import (
    CollectionEndEvent,
    CollectionStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from gateway.config import ConfigError, parse_config

_KEY = "specialists"
_Event = Any  # its class says that it may lack marks; what was parsed has them


def register(path: Path, entry: Mapping[str, Any], *, dry_run: bool = False) -> None:
    """Adds a specialist to a configuration file, which is replaced at once or not at all.

    Args:
        path: a valid configuration.
        entry: the specialist's keys, as `deployments.spec.ModelSpec` has them.
        dry_run: find out whether it can be done, and leave the file as it is.

    Raises:
        ConfigError: the file would not be valid, or has a form that cannot be added to; the
            message then has the lines to add by hand.
    """
    file = path.resolve()  # not the link, where it is one
    text = inserted(file.read_bytes().decode(), entry, str(path))
    parse_config(yaml.safe_load(text), str(path))
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_bytes(text.encode())
        shutil.copymode(file, part)
        if not dry_run:
            part.replace(file)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be changed ({error.strerror}); make its folder writable, or add by "
            f"hand, under {_KEY}:\n{as_lines(entry)}"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def as_lines(entry: Mapping[str, Any]) -> str:
    """The specialist as an item of a list in YAML."""
    # The innermost mappings stand on one line, as people write them.
    text = yaml.safe_dump([dict(entry)], sort_keys=False, default_flow_style=None, width=10_000)
    return str(text).rstrip("\n")


def inserted(text: str, entry: Mapping[str, Any], source: str) -> str:
    """The text of a configuration with one more specialist.

    Args:
        text: YAML, a mapping with some content.
        entry: the specialist's keys.
        source: names the text in errors.

    Raises:
        ConfigError: the text has a form that cannot be added to.
    """
    old = yaml.safe_load(text)
    place, piece = _insertion(text, entry)
    new = text[:place] + piece + text[place:]
    wanted = old | {_KEY: [*(old.get(_KEY) or []), dict(entry)]}
    try:
        as_wanted = yaml.safe_load(new) == wanted
    except yaml.YAMLError:
        as_wanted = False
    if not as_wanted:
        raise ConfigError(
            f"{source}: its form does not let a specialist be added; add by hand, under {_KEY}:\n"
            f"{as_lines(entry)}"
        )
    return new


def _insertion(text: str, entry: Mapping[str, Any]) -> tuple[int, str]:
    """Where something is to be inserted, and what."""
    root, values = _values(text)
    found = values.get(_KEY)
    in_json = json.dumps(dict(entry), ensure_ascii=False)  # which is YAML too
    if found is None:
        everything = [event for events in values.values() for event in events]
        if root.flow_style:
            return _solid(everything)[-1].end_mark.index, f', "{_KEY}": [{in_json}]'
        lines = [f"{_KEY}:", *(f"  {line}" for line in as_lines(entry).splitlines())]
        return _below(text, everything, root.start_mark.column, lines)
    first = found[0]
    if _is(SequenceStartEvent, first) and not first.flow_style:
        # The event ends before the first dash, or after it where the list is not indented.
        dash = first.end_mark.column - (text[first.end_mark.index] != "-")
        return _below(text, found, dash, as_lines(entry).splitlines())
    items = _solid(found[1:-1])
    place = (items or [first])[-1].end_mark.index
    return place, f", {in_json}" if items else in_json


def _values(text: str) -> tuple[_Event, dict[str, list[_Event]]]:
    """The start of the root mapping, and the events of the value of each of its keys."""
    _, _, root, *events = yaml.parse(text)
    values: dict[str, list[_Event]] = {}
    depth, key = 0, None
    for event in events:
        depth += _is(CollectionStartEvent, event) - _is(CollectionEndEvent, event)
        if depth < 0:
            break
        if key is None:
            key = getattr(event, "value", "")
            values[key] = []
        else:
            values[key].append(event)
            key = key if depth else None
    return root, values


def _solid(events: list[_Event]) -> list[_Event]:
    """The events that stand for characters: the end of a block is where the next thing begins."""
    return [
        event
        for event in events
        if not _is(CollectionEndEvent, event) or event.start_mark.index < event.end_mark.index
    ]


def _is(kind: type, event: _Event) -> bool:
    return isinstance(event, kind)


def _below(text: str, events: list[_Event], column: int, lines: list[str]) -> tuple[int, str]:
    """Lines at a column, below the last of the events and the comments that belong to it."""
    last = _solid(events)[-1]
    is_block = _is(ScalarEvent, last) and last.style in ("|", ">")
    place = last.end_mark.index
    if not is_block:  # the end of one is a line's start already
        place = text.find("\n", place) + 1 or len(text)
    deeper = re.compile(rf" {{{column + 1},}}#.*\n?")
    while comment := deeper.match(text, place):
        place = comment.end()
    # An empty line would be one more line of some block scalars.
    above = [] if is_block else [""]
    line_end = "\r\n" if "\r\n" in text else "\n"
    piece = "".join(f"{' ' * column}{line}".rstrip() + line_end for line in [*above, *lines])
    return place, piece if text[:place].endswith("\n") else line_end + piece
