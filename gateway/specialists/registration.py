"""Adds specialists to `niche.yaml` and removes them; keeps comments and the order of keys.

Rules: the new text is parsed again before it is written. It must have the old content with the new
specialist after the others, or without the one that goes, and be valid; otherwise the file stays as
it is. One writer at a time reads the file and replaces it, so that no change is lost.
"""

import fcntl
import io
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, SingleQuotedScalarString

from deployments.strict_yaml import load_yaml
from gateway.config import ConfigError, NicheConfig
from gateway.config_file import load_config, parse_config
from gateway.config_paths import with_paths_beside

_KEY = "specialists"


def register(path: Path, entry: Mapping[str, Any], *, dry_run: bool = False) -> None:
    """Adds a specialist to a configuration file, which is replaced atomically.

    Args:
        path: a valid configuration.
        entry: the specialist's keys, as `deployments.spec.ModelSpec` has them.
        dry_run: only check whether it is possible; do not change the file.

    Raises:
        ConfigError: the file would not be valid, or its form does not allow adding; the
        message then has the lines to add by hand.
    """
    change(
        path,
        lambda text, _: inserted(text, entry, str(path)),
        otherwise=f"add by hand, under {_KEY}:\n{as_lines(entry)}",
        dry_run=dry_run,
    )


def change(
    path: Path,
    edit: Callable[[str, NicheConfig], str],
    check: Callable[[NicheConfig], object] = lambda _: None,
    *,
    otherwise: str = "edit it",
    dry_run: bool = False,
) -> None:
    """Replaces a configuration file by an edited one, atomically. Other writers wait meanwhile.

    Args:
        path: a valid configuration.
        edit: makes the new text, of the old one and what it says.
        check: raises if the new configuration cannot be; the file then stays as it is.
        otherwise: what to do where the file cannot be changed.
        dry_run: only check whether it is possible; do not change the file.

    Raises:
        ConfigError: the old or the new content is not valid, or the file cannot be changed.
    """
    load_config(path)  # says best what is wrong with it
    file = path.resolve()  # replace the link's target, not the link
    try:
        with _alone(file):
            text = edit(file.read_bytes().decode(), load_config(path))
            new = parse_config(load_yaml(text), str(path))
            check(with_paths_beside(path, new))
            _replace(file, text, dry_run=dry_run)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be changed ({error.strerror}); make it and its folder writable, or "
            f"{otherwise}"
        ) from error


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Holds a lock on a file, which the system frees if the process dies.

    Whoever waited for it finds another file in its place, and has to lock that one.
    """
    while True:
        with file.open("rb+") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(held.fileno()), file.stat()):
                yield
                return


def _replace(file: Path, text: str, *, dry_run: bool) -> None:
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_bytes(text.encode())
        shutil.copymode(file, part)
        if not dry_run:
            part.replace(file)
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
        ConfigError: the text's form does not allow adding a specialist.
    """
    old = yaml.safe_load(text)
    expected = old | {_KEY: [*(old.get(_KEY) or []), dict(entry)]}
    with suppress(YAMLError):
        for new in _with_item(text, _item(entry)):
            with suppress(yaml.YAMLError):
                if yaml.safe_load(new) == expected:
                    return new
    raise ConfigError(
        f"{source}: its form does not allow adding a specialist; add by hand, under {_KEY}:\n"
        f"{as_lines(entry)}"
    )


def removed(text: str, name: str, source: str) -> str:
    """The text of a configuration without a specialist.

    Args:
        text: YAML with such a specialist.
        name: of it.
        source: names the text in errors.

    Raises:
        ConfigError: the text's form does not allow removing it.
    """
    old = yaml.safe_load(text)
    expected = old | {_KEY: [of for of in old[_KEY] if of.get("name") != name]}
    with suppress(YAMLError):
        document = YAML().load(text.replace("\r\n", "\n"))
        listed = document[_KEY]
        in_block = isinstance(listed, CommentedSeq) and not listed.fa.flow_style()
        writer = _writer(listed.lc.col if in_block else 2)
        document = writer.load(text.replace("\r\n", "\n"))
        del document[_KEY][[of.get("name") for of in document[_KEY]].index(name)]
        if not document[_KEY]:
            document[_KEY] = []
            document.ca.items.pop(_KEY, None)  # a comment below the key would break an empty list
        new = _dumped(writer, document)
        new = new.replace("\n", "\r\n") if "\r\n" in text else new
        with suppress(yaml.YAMLError):
            if yaml.safe_load(new) == expected:
                return new
    raise ConfigError(f"{source}: its form does not allow removing a specialist; remove it by hand")


def _with_item(text: str, item: CommentedMap) -> Iterator[str]:
    """Candidates for the text with the item, best first."""
    document = YAML().load(text)
    listed = document.get(_KEY)
    in_block = isinstance(listed, CommentedSeq) and not listed.fa.flow_style()
    writer = _writer(listed.lc.col if in_block else 2)
    # Parsed again by a writer with the list's indentation.
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
    """Moves comments that belong to the next key from above the new item to below it, and adds an
    empty line. Wrong if the last value is a multi-line text that ends in these lines: the caller
    checks the result."""
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
    """A block mapping whose inner mappings are on one line each, the usual style."""
    item = CommentedMap()
    for key, value in entry.items():
        item[key] = _value(value)
    item.fa.set_block_style()
    return item


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        inner = CommentedMap((key, _value(item)) for key, item in value.items())
        inner.fa.set_flow_style()
        return inner
    return SingleQuotedScalarString(value) if _reads_otherwise(value) else value


def _reads_otherwise(value: Any) -> bool:
    """Whether a text would not be read as itself: YAML 1.1 has booleans such as `yes`, and some
    texts are no YAML."""
    try:
        return isinstance(value, str) and yaml.safe_load(value) != value
    except yaml.YAMLError:
        return True


def _quoted(value: Any) -> Any:
    """Quotes all texts, as in JSON, which is valid YAML."""
    if isinstance(value, Mapping):
        return {_quoted(key): _quoted(item) for key, item in value.items()}
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
