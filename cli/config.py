"""`niche config check`: is this configuration usable?"""

import argparse

from cli.options import add_config, check_engines
from gateway.config import load_config


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    check = actions.add_parser("check", help="validate the file and say what it describes")
    add_config(check)
    check.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    check_engines(config)
    print(f"{arguments.config}: valid")
    for spec in config.models:
        weights = spec.model if spec.adapter is None else f"{spec.model} + adapter {spec.adapter}"
        print(f"  {spec.name:<12} {spec.domain or 'general':<12} {spec.engine}: {weights}")
    return 0
