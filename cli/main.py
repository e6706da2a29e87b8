"""The command `niche`: one parser, one place where errors become a line and an exit code.

Rule: only the chosen command's module is imported, and a command imports Ray, torch and the like
when it runs. So `niche --help` and `niche COMMAND --help` are quick.
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
    "plan": "how many replicas and GPUs a traffic needs, and what they cost",
    "specialists": "train specialists, measure them, make new ones from examples",
}
"""What each command does; it is declared by `add_options` of the module `cli.NAME`."""

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
    """The parser for these words: of the command that they name it has the options too."""
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
    """Runs one command; returns its exit code (2: it could not be done as asked)."""
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
