"""Brings a running stack to what its files say."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cli.made_of import Contents, contents, require_applicable
from cli.stack import say, wait_until_ready
from deployments.models.errors import ModelError
from gateway.config import ConfigError, LaunchError, NicheConfig
from router.errors import RouterError

if TYPE_CHECKING:
    from cli.launch import LocalStack

_READY_SECONDS = 120.0


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
