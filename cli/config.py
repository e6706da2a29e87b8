"""`niche config check` and `niche config migrate`: validates a configuration, and renames its old
keys."""

import argparse
from pathlib import Path

import yaml

from cli.options import add_config, check_engines
from gateway.config import ConfigError
from gateway.config_file import load_config
from gateway.config_migration import MigrationError, migrate


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    check = actions.add_parser("check", help="validate the file, list its models and pools")
    add_config(check)
    check.set_defaults(run=_check)
    migration = actions.add_parser(
        "migrate", help="rename keys that an earlier version named differently"
    )
    migration.add_argument(
        "file", type=Path, help="the file to rewrite; the old one is kept as FILE.old"
    )
    migration.set_defaults(run=_migrate)


def _check(arguments: argparse.Namespace) -> int:
    from gateway.routing import load_policy  # slow: imports numpy and tokenizers
    from gateway.stored_responses.redis import checked_url

    config = load_config(arguments.config)
    check_engines(config)
    load_policy(config)  # checks domains and guarantee against the artifact
    store = config.gateway.response_store
    if store is not None and store.redis_url_env is not None:
        checked_url(store.redis_url_env)
    print(f"{arguments.config}: valid")
    for spec in config.models:
        weights = spec.model if spec.adapter is None else f"{spec.model} + adapter {spec.adapter}"
        does = spec.domain or "general" if spec.kind == "generation" else spec.kind
        print(f"  {spec.name:<12} {does:<12} {spec.engine}: {weights}")
    for pool in config.pools:
        if pool.shared:
            print(f"  pool {pool.name}: {', '.join(pool.model_names)}")
    return 0


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
