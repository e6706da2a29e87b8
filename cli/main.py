"""The command `niche`: builds the parser, and turns errors into a line and an exit code.

Rule: only the chosen command's module is imported, and a command imports Ray, torch and the like
only when it runs, so that `niche --help` and `niche COMMAND --help` are fast.
"""

import argparse
import os
import select
import sys
import warnings
from collections.abc import MutableMapping, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TextIO

from cli.options import CommandError
from cli.ray_environment import NO_REPORTS
from cli.signals import Terminated, listen
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

_READER_LEFT = 141
"""What a shell reports of a command that SIGPIPE ended (128 + 13)."""
_TERMINATED = 143
"""The same of SIGTERM (128 + 15)."""


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
    """Runs one command; returns its exit code.

    2 is an error of the user or the environment; 130 and 143 say that SIGINT or SIGTERM came; 141
    that whoever read the output left.
    """
    try:
        try:
            if argv is None:
                listen()
                _keep_private(sys.argv[1:], os.environ)
            return _run(sys.argv[1:] if argv is None else argv)
        finally:
            sys.stdout.flush()  # at exit it would be too late to catch what this raises
    except BrokenPipeError:
        if not _reader_left():
            raise
        return _READER_LEFT


def _keep_private(words: Sequence[str], environ: MutableMapping[str, str]) -> None:
    """Has nobody else read what a command and its processes write; model files are public, and in a
    cache that may be shared. And nothing is reported to anybody."""
    for name, value in NO_REPORTS.items():
        environ.setdefault(name, value)
    if words[:1] != ["models"]:
        os.umask(0o077)


def _reader_left() -> bool:
    """Whether nobody reads stdout or stderr; what is left goes nowhere, so that exit is quiet."""
    unread = [stream for stream in (sys.stdout, sys.stderr) if _unread(stream)]
    for stream in unread:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    return bool(unread)


def _unread(stream: TextIO) -> bool:
    """Whether a stream is a pipe without a reader: a connection that broke is another error."""
    poll = select.poll()
    poll.register(stream.fileno(), 0)  # no event is wanted: these two are always told
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _run(words: Sequence[str]) -> int:
    # What transformers will rename is of use to developers, and not to who runs a command.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    try:
        arguments = parser_of(words).parse_args(words)
        return int(arguments.run(arguments))
    except _EXPECTED as error:
        print(f"niche: {error}", file=sys.stderr)
        return 2
    except Terminated as came:
        print("niche: stopped by SIGTERM", *came.args, file=sys.stderr)
        return _TERMINATED
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
