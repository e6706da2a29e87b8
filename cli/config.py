"""`niche config check` and `niche config migrate`: names the faults of a configuration, and renames
its old keys."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from cli.faults import faults, port_faults, unchecked, unheld_rights, unproven_guarantee
from cli.options import add_config, cache
from gateway.config import ConfigError, NicheConfig
from gateway.config_file import load_for_check
from gateway.config_migration import MigrationError, migrate


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    check = actions.add_parser(
        "check",
        help="name every fault of the file; list its models and pools",
        description="Names everything that is wrong with a configuration and can be known without "
        "loading a model, each with its key and the remedy; the exit code is then 1. Relative "
        "paths are relative to the file.",
    )
    add_config(check)
    check.add_argument("file", type=Path, nargs="?", metavar="FILE", help="the same as --config")
    check.add_argument(
        "--no-secrets",
        dest="secrets",
        action="store_false",
        help="do without keys: neither the variables of api_key_env nor gateway.api_keys_file",
    )
    check.add_argument(
        "--elsewhere",
        action="store_true",
        help="the stack runs on other machines: do not look for its engines, models and files, and "
        "its port",
    )
    check.set_defaults(run=_check)
    migration = actions.add_parser(
        "migrate", help="rename keys that an earlier version named differently"
    )
    migration.add_argument(
        "file", type=Path, help="the file to rewrite; the old one is kept as FILE.old"
    )
    migration.set_defaults(run=_migrate)


def _check(arguments: argparse.Namespace) -> int:
    path: Path = arguments.file or arguments.config
    here = not arguments.elsewhere
    try:
        config, lines = load_for_check(path)
    except ConfigError as error:
        config, lines = None, [str(error)]
    if config is not None:
        found = faults(config, cache(), secrets=arguments.secrets, files=here)
        found += port_faults(config.gateway) if here else ()
        lines += [f"{path}: {fault}" for fault in found]
    if config is None or lines:
        print("\n".join(lines), file=sys.stderr)
        return 1
    print(f"{path}: valid")
    for spec in config.models:
        weights = spec.model if spec.adapter is None else f"{spec.model} + adapter {spec.adapter}"
        does = spec.domain or "general" if spec.kind == "generation" else spec.kind
        print(f"  {spec.name:<12} {does:<12} {spec.engine}: {weights}")
    for pool in config.pools:
        if pool.shared:
            print(f"  pool {pool.name}: {', '.join(pool.model_names)}")
    for note in _notes(config, secrets=arguments.secrets, here=here):
        print(f"  {note}")
    return 0


def _notes(config: NicheConfig, *, secrets: bool, here: bool) -> Iterator[str]:
    """What to know of a configuration without faults."""
    yield from unproven_guarantee(config)
    if not here:
        yield from unchecked(config)
    elif secrets:
        yield from unheld_rights(config.gateway)


def _migrate(arguments: argparse.Namespace) -> int:
    path: Path = arguments.file
    backup = path.with_name(f"{path.name}.old")
    try:
        # Bytes, to keep the file's line ends.
        before = path.read_bytes()
        after = migrate(before.decode("utf-8")).encode("utf-8")
        if after == before:
            print(f"{path}: nothing to do")
            return 0
        with backup.open("xb") as file:
            file.write(before)
        path.write_bytes(after)
    except FileExistsError:
        raise ConfigError(f"{backup}: exists already; move it away") from None
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except MigrationError as error:
        raise ConfigError(f"{path}: {error}") from error
    print(f"{path}: renamed; the old file is {backup}")
    return 0
