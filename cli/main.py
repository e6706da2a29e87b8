"""The command `niche`: one parser, one place where errors become words and exit codes.

Rule: a command's heavy imports (Ray, torch) happen when it runs, so that `niche --help` is quick.
"""

import argparse
import sys
from collections.abc import Sequence

from cli import (
    benchmark,
    compare,
    config,
    evaluate,
    models,
    plan,
    replay,
    route,
    serve,
    specialists,
    train,
)
from cli.options import CommandError
from deployments.models.errors import ModelError
from gateway.config import ConfigError, LaunchError
from lab.datasets.manifest import DatasetError
from lab.specialists.recipes.errors import RecipeError
from router.errors import RouterError

_EXPECTED = (
    CommandError,
    ConfigError,
    DatasetError,
    LaunchError,
    ModelError,
    RecipeError,
    RouterError,
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="niche",
        description="A gateway that routes each request to a specialist model or a generalist.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (
        *(serve, models, route, config, train, evaluate),
        *(benchmark, compare, replay, plan, specialists),
    ):
        command.add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code (2: it could not be done as asked)."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except _EXPECTED as error:
        print(f"niche: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
