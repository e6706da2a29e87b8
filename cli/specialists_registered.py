"""`niche specialists add` and `remove`: a specialist of the configuration comes or goes.

A running `niche serve` follows the file within seconds; a later start finds it there.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cli.options import CONFIG, CommandError, Subparsers, check_engines
from cli.registration import inserted, register, removed, write
from deployments.models.adapters import ADAPTERS, load_adapter
from deployments.spec import SHARED_ENGINES
from gateway.config import NicheConfig
from gateway.config_file import load_config, parse_config


def add(actions: Subparsers) -> None:
    """Declares the actions."""
    adding = actions.add_parser(
        "add",
        help="add a specialist with an adapter to niche.yaml; a running stack takes it in",
        description="Adds a specialist to the configuration, in the pool of its base if there is "
        "one. A running `niche serve` takes it in within seconds, without losing a request.",
    )
    adding.add_argument("name", metavar="NAME", help="its name, which clients may ask for")
    adding.add_argument(
        "--adapter", required=True, help="a name under deployments/adapters, or a directory"
    )
    adding.add_argument("--domain", help="one that the router's artifact knows (default: NAME)")
    _add_config(adding)
    adding.set_defaults(run=_add)
    removing = actions.add_parser(
        "remove",
        help="remove a specialist from niche.yaml; a running stack lets it go",
        description="Removes a specialist from the configuration. A running `niche serve` lets it "
        "go when it has answered. The adapter's files stay.",
    )
    removing.add_argument("name", metavar="NAME", help="of a specialist")
    _add_config(removing)
    removing.set_defaults(run=_remove)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=CONFIG, metavar="FILE", help=f"default: {CONFIG}"
    )


def _add(arguments: argparse.Namespace) -> int:
    path: Path = arguments.config
    config = load_config(path)
    if arguments.name in {spec.name for spec in config.models}:
        raise CommandError(f"{path}: there is a model {arguments.name!r}; choose another name")
    adapter = load_adapter(arguments.adapter)
    entry: dict[str, Any] = {
        "name": arguments.name,
        "domain": arguments.domain or arguments.name,
        "model": adapter.base,
        "adapter": _reference(arguments.adapter, path),
    }
    options = {"default_temperature": 0}
    entry |= pool_settings(config, adapter.base, options) or {"engine_options": options}
    _require_served(inserted(path.read_bytes().decode(), entry, str(path)), path)
    register(path, entry)
    print(f"{path}: specialist {arguments.name!r} added; a running `niche serve` takes it in")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    path: Path = arguments.config
    names = [spec.name for spec in load_config(path).specialists]
    if arguments.name not in names:
        raise CommandError(
            f"{path}: no specialist {arguments.name!r}; there are {', '.join(names) or 'none'}"
        )
    text = removed(path.read_bytes().decode(), arguments.name, str(path))
    _require_served(text, path)
    write(path, text)
    print(f"{path}: specialist {arguments.name!r} removed; a running `niche serve` lets it go")
    return 0


def _reference(adapter: str, config: Path) -> str:
    """The adapter as the file names it: a stack starts in the file's own directory, or anywhere."""
    here = config.parent == Path() or (ADAPTERS / adapter).is_dir()
    return adapter if here else str(Path(adapter).expanduser().resolve())


def _require_served(text: str, path: Path) -> None:
    """Raises if a stack would not serve this configuration: its router may not know the domain, or
    guarantee nothing for the others, and an engine may not take an option."""
    from gateway.routing import load_policy

    config = parse_config(yaml.safe_load(text), str(path))
    check_engines(config)
    load_policy(config)


def pool_settings(
    config: NicheConfig, base: str, options: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The settings by which a new specialist joins the pool of its base, where it needs no process
    of its own; None if there is no such pool.

    Args:
        config: the stack.
        base: of the new one's adapter.
        options: the `engine_options` that it would have alone.
    """
    beside = [spec for spec in config.specialists if spec.model == base and spec.adapter]
    pooled = next((spec for spec in beside if spec.engine in SHARED_ENGINES), None)
    if pooled is None:
        return None
    own = SHARED_ENGINES[pooled.engine]
    process = {name: value for name, value in pooled.engine_options.items() if name not in own}
    keys = {"engine", "pool", "resources", "replicas", "autoscaling", "price"}
    return {
        **pooled.model_dump(include=keys, exclude_defaults=True),
        "engine_options": process | {name: options[name] for name in options if name in own},
    }
