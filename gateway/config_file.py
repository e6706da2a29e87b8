"""Reads `niche.yaml`; `gateway.config` has what it says.

Errors name the key, the bad value and what is allowed.
"""

from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from deployments.strict_yaml import load_yaml
from gateway.config import ConfigError, NicheConfig
from gateway.config_migration import rename_at
from gateway.config_paths import shared_files, with_paths_beside


def load_config(path: Path) -> NicheConfig:
    """Reads and validates a configuration file.

    Raises:
        ConfigError: the file is absent, is not YAML, or has errors; the message lists all of them.
    """
    config = with_paths_beside(path, parse_config(read_yaml(path), str(path)))
    if lines := [f"{path}: {fault}" for fault in shared_files(path, config)]:
        raise ConfigError("\n".join(lines))
    return config


def read_yaml(path: Path) -> Any:
    """What a configuration file says, not validated.

    Raises:
        ConfigError: the file is absent, is not YAML, or has a key twice.
    """
    try:
        return load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; name another with --config") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        # YAML's message has several lines; an error here has one.
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error


def load_for_check(path: Path) -> tuple[NicheConfig | None, list[str]]:
    """The configuration without the keys that are wrong, and a line for each of these.

    Returns:
        None for the configuration, where what is left is none.

    Raises:
        ConfigError: the file is absent, is not YAML, or has a key twice.
    """
    raw, lines = read_yaml(path), list[str]()
    _require_mapping(raw, str(path))
    for again in (False, True):
        faults: list[str] = []
        try:
            config = NicheConfig.model_validate(raw, context=faults)
        except ValidationError as error:
            if again or not _without(raw, error):
                return None, lines or _lines(error, str(path))
            lines = _lines(error, str(path))
        else:
            config = with_paths_beside(path, config)
            lines += [f"{path}: {fault}" for fault in (*faults, *shared_files(path, config))]
            return config, lines
    return None, lines


def _without(raw: Any, error: ValidationError) -> bool:
    """Removes the keys of an error's faults; whether that was possible. A list goes as a whole,
    since those behind a lost item would have other places, but not one of models."""
    for fault in error.errors():
        *parents, key = fault["loc"] or [""]
        if isinstance(key, int):
            *parents, key = parents
            if not parents:
                return False
        section = raw
        try:
            for part in parents:
                section = section[part]
            del section[key]
        except (LookupError, TypeError):
            return False
    return True


_WANTED = {
    "frozen_set_type": "expected a list, such as [a, b]",
    "tuple_type": "expected a list, such as [a, b]",
    "model_type": "expected keys below it",
}


def _require_mapping(raw: Any, source: str) -> None:
    if not isinstance(raw, dict):
        raise ConfigError(f"{source}: expected a mapping of sections, got {type(raw).__name__}")


def parse_config(raw: Any, source: str) -> NicheConfig:
    """Validates a parsed configuration; `source` names it in errors."""
    _require_mapping(raw, source)
    try:
        return NicheConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(_lines(error, source))) from error


def _lines(error: ValidationError, source: str) -> list[str]:
    lines = []
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"]) or "file"
        renamed = rename_at(fault["loc"]) if fault["type"] == "extra_forbidden" else None
        if renamed is not None:
            lines.append(f"{source}: {where}: {renamed.hint()}")
        elif fault["type"] == "value_error" and not fault["loc"]:
            lines += [f"{source}: {line}" for line in str(fault["ctx"]["error"]).splitlines()]
        elif fault["type"] == "missing":
            lines.append(f"{source}: {where}: required, but missing")  # the input is the section
        elif fault["type"] == "extra_forbidden":
            allowed = ", ".join(_keys_at(fault["loc"][:-1]))
            unknown_key = f"{source}: {where}: unknown key (value {fault['input']!r})"
            lines.append(f"{unknown_key}; allowed here: {allowed}")
        else:
            # Where a variable's name is wanted, the value may be the secret itself.
            value = "" if where.endswith("_env") else f" (value {fault['input']!r})"
            lines.append(f"{source}: {where}: {_WANTED.get(fault['type'], fault['msg'])}{value}")
    return lines


def _keys_at(place: tuple[int | str, ...]) -> list[str]:
    """The allowed keys of the section that holds this location."""
    section: Any = NicheConfig
    for part in place:
        if isinstance(part, str):
            section = section.model_fields[part].annotation
            inner = [kind for kind in get_args(section) if isinstance(kind, type)]
            section = next((kind for kind in inner if issubclass(kind, BaseModel)), section)
    return list(section.model_fields)
