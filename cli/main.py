"""The command `niche`: builds the parser, and turns errors into a line and an exit code.

Rule: only the chosen command's module is imported, and a command imports Ray, torch and the like
only when it runs, so that `niche --help` and `niche COMMAND --help` are fast.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from cli.options import CommandError
from deployments.models.errors import ModelError
from gateway.config import ConfigError, LaunchError
from lab.comparison.errors import ComparisonError
from lab.datasets.manifest import DatasetError
from lab.planning.errors import PlanError
from lab.specialists.errors import RecipeError
from router.errors import RouterError

COMMANDS = {
    "init": "write a niche.yaml: the default stack, or models that are served already",
    "serve": "run the stack until Ctrl-C",
    "demo": "run the stack, show one request per domain, stop",
    "models": "get and list model files",
    "route": "explain the decision for a text",
    "config": "check a configuration, or rename its old keys",
    "train": "train a router on labelled prompts and report its figures",
    "evaluate": "measure a router on labelled prompts",
    "benchmark": "measure the router on public data sets, against its targets",
    "compare": "measure whether routing pays on your own prompts",
    "replay": "replay routing policies over recorded answers of any models",
    "plan": "compute the replicas and GPUs that a traffic needs, and their cost",
    "specialists": "train specialists, measure them, make new ones from examples",
}
"""The summary of each command; `add_options` of `cli.NAME` declares it."""

_EXPECTED = (
    CommandError,
    ComparisonError,
    ConfigError,
    DatasetError,
    LaunchError,
    ModelError,
    PlanError,
    RecipeError,
    RouterError,
)


def parser_of(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for these words, with the options of the command that they name."""
    parser = argparse.ArgumentParser(
        prog="niche",
        description="A gateway that routes each request to a specialist model or a generalist.",
    )
    parser.add_argument("--version", action="version", version=f"niche {_version()}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    chosen = next((word for word in words if not word.startswith("-")), None)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose)
        if name == chosen:
            import_module(f"cli.{name}").add_options(command)
    return parser


def _version() -> str:
    try:
        return version("niche-gateway")
    except PackageNotFoundError:
        return "(not installed: run from a checkout)"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code (2: an error of the user or the environment)."""
    words = sys.argv[1:] if argv is None else argv
    try:
        arguments = parser_of(words).parse_args(words)
        return int(arguments.run(arguments))
    except _EXPECTED as error:
        print(f"niche: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
