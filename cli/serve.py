"""`niche serve`: runs the stack on this machine until Ctrl-C, and follows its configuration.

Desired state, not a call: whoever wants another specialist writes it into the file, by hand or with
`niche specialists add`, and finds it there after the next start too.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cli.demo import show_samples
from cli.made_of import Contents, contents, require_applicable
from cli.stack import add_stack, running, say, wait_until_ready, wanted
from deployments.models.errors import ModelError
from gateway.config import ConfigError, LaunchError, NicheConfig
from router.errors import RouterError

if TYPE_CHECKING:
    from cli.launch import LocalStack

_LOOK_SECONDS = 1.0
_READY_SECONDS = 120.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    add_stack(parser)
    parser.add_argument(
        "--samples", action="store_true", help="first send one request per domain and show them"
    )
    parser.set_defaults(run=_serve)


def _serve(arguments: argparse.Namespace) -> int:
    with running(arguments) as stack:
        if arguments.samples:
            show_samples(stack.url, stack.config)
        print(f"\nServing on {stack.url}/v1 until Ctrl-C", flush=True)
        follower = Follower(stack, arguments.config, lambda: wanted(arguments))
        while True:
            time.sleep(_LOOK_SECONDS)
            follower.look()


class Follower:
    """Brings a stack to what its files say.

    Args:
        stack: the running one.
        path: of its configuration.
        read: reads and checks that.
    """

    def __init__(self, stack: "LocalStack", path: Path, read: Callable[[], NicheConfig]) -> None:
        self._stack, self._path, self._read = stack, path, read
        self._seen = self._contents(stack.config)

    def look(self) -> None:
        """Applies what changed since the last look; what cannot be served is said and left."""
        if self._contents(self._stack.config) == self._seen:
            return
        started = time.monotonic()
        say(f"{self._path}, or a file that it names, has changed")
        try:
            config = self._read()
            require_applicable(self._stack.config, config)
            self._stack.apply(config, say)
            wait_until_ready(self._stack.url, _READY_SECONDS)
            say(f"serving it after {time.monotonic() - started:.0f} s")
        except (ConfigError, LaunchError, ModelError, RouterError) as error:
            say(f"{error}\nniche: the stack serves on as before")
        self._seen = self._contents(self._stack.config)

    def _contents(self, config: NicheConfig) -> Contents:
        return contents(config, self._path)
