"""One more specialist in `niche.yaml`; comments and the order of keys stay.

Rule: the new text is believed only when it was read again. It must parse to the old content with
the new specialist after the others, and be valid; else the file stays as it is.
"""

import io
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, SingleQuotedScalarString

from gateway.config import ConfigError, parse_config

_KEY = "specialists"


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
    return _dumped(_writer(0), [_item(entry)]).rstrip("\n")


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
    wanted = old | {_KEY: [*(old.get(_KEY) or []), dict(entry)]}
    with suppress(YAMLError):
        for new in _with_item(text, _item(entry)):
            with suppress(yaml.YAMLError):
                if yaml.safe_load(new) == wanted:
                    return new
    raise ConfigError(
        f"{source}: its form does not let a specialist be added; add by hand, under {_KEY}:\n"
        f"{as_lines(entry)}"
    )


def _with_item(text: str, item: CommentedMap) -> Iterator[str]:
    """The text with the item, best first."""
    document = YAML().load(text)
    listed = document.get(_KEY)
    in_block = isinstance(listed, CommentedSeq) and not listed.fa.flow_style()
    writer = _writer(listed.lc.col if in_block else 2)
    # Read again by the writer, which has the list's own indentation.
    document = writer.load(text.replace("\r\n", "\n"))
    in_json = document.fa.flow_style()
    if document.get(_KEY) is None:
        document[_quoted(_KEY) if in_json else _KEY] = []
    elif not in_block:
        item.fa.set_flow_style()
    document[_KEY].append(_quoted(item) if in_json else item)
    new = _dumped(writer, document)
    line_end = "\r\n" if "\r\n" in text else "\n"
    if not in_json and not item.fa.flow_style():
        yield _with_comments_below(new, item).replace("\n", line_end)
    yield new.replace("\n", line_end)


def _with_comments_below(text: str, item: CommentedMap) -> str:
    """The new item is written below the comments that belong to what follows: they change places,
    and an empty line sets the item off. Not where the last value is a text over several lines,
    which empty lines may be part of."""
    lines = text.splitlines(keepends=True)
    listed = YAML().load(text)[_KEY]
    start, column = listed.lc.item(len(listed) - 1)[0], listed.lc.col
    end, first = start + len(item), start
    of_others = re.compile(rf" {{0,{column}}}#|\s*$")
    while first and of_others.match(lines[first - 1]):
        first -= 1
    above = ["\n"] if len(listed) > 1 else []
    return "".join([*lines[:first], *above, *lines[start:end], *lines[first:start], *lines[end:]])


def _item(entry: Mapping[str, Any]) -> CommentedMap:
    """A block mapping whose inner mappings stand on one line each, as people write them."""
    item = CommentedMap()
    for key, value in entry.items():
        item[key] = _value(value)
    item.fa.set_block_style()
    return item


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        inner = CommentedMap((key, _value(of)) for key, of in value.items())
        inner.fa.set_flow_style()
        return inner
    # What reads the file takes `yes` and the like for something else than text.
    if isinstance(value, str) and yaml.safe_load(value) != value:
        return SingleQuotedScalarString(value)
    return value


def _quoted(value: Any) -> Any:
    """As JSON has it, which is YAML too."""
    if isinstance(value, Mapping):
        return {_quoted(key): _quoted(of) for key, of in value.items()}
    return DoubleQuotedScalarString(value) if isinstance(value, str) else value


def _writer(offset: int) -> YAML:
    writer = YAML()
    writer.preserve_quotes = True
    writer.width = 1_000_000
    writer.indent(mapping=2, sequence=offset + 2, offset=offset)
    return writer


def _dumped(writer: YAML, document: Any) -> str:
    out = io.StringIO()
    writer.dump(document, out)
    return out.getvalue()
