"""`niche specialists add` and `remove`: a specialist of the configuration comes or goes.

A running `niche serve` follows the file within seconds; a later start finds it there.
"""

import argparse
from functools import partial
from pathlib import Path

from cli.options import CONFIG, Subparsers, check_engines
from gateway.config import NicheConfig
from gateway.specialists.stack_file import StackFile


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
    file = StackFile(arguments.config, partial(_require_served, arguments.name))
    file.add(arguments.name, arguments.adapter, arguments.domain)
    print(f"{file.path}: specialist {arguments.name!r} added; a running `niche serve` takes it in")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from gateway.routing import load_policy

    file = StackFile(arguments.config, load_policy)
    file.remove(arguments.name)
    print(f"{file.path}: specialist {arguments.name!r} removed; a running `niche serve` lets it go")
    return 0


def _require_served(name: str, config: NicheConfig) -> None:
    """Only what comes is asked about: other models may be missing here, and run elsewhere."""
    from gateway.routing import load_policy

    check_engines([spec for spec in config.models if spec.name == name])
    load_policy(config)
