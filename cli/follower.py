"""Brings a running stack to what its files say."""

import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from cli.made_of import Contents, contents, require_applicable
from cli.stack import say, wait_until_ready
from cli.watch import missing_models
from gateway.config import LaunchError, NicheConfig

if TYPE_CHECKING:
    from cli.launch import LocalStack

_READY_SECONDS = 120.0


class Follower:
    """Brings a stack to what its files say.

    A change is applied when two looks in a row find the same: a file may be half written. What
    cannot be served is said once, and tried again when a file changes or is touched.

    Args:
        stack: the running one.
        path: of its configuration.
        read: reads and checks that.
    """

    def __init__(self, stack: "LocalStack", path: Path, read: Callable[[], NicheConfig]) -> None:
        self._stack, self._path, self._read = stack, path, read
        self._last = self._found()
        # What was written while the stack started is the first change.
        written = self._last[path] if self._is_served() else ""
        self._served: Contents = {**stack.contents, path: written}

    def look(self) -> None:
        """Applies what changed since the last look but one."""
        found, last = self._found(), self._last
        self._last = found
        if found == self._served or found != last:
            return
        self._served = found  # also where it cannot be: what comes later differs from it
        started = time.monotonic()
        say(f"{self._path}, or a file that it names, has changed")
        missing = missing_models(self._stack.url) or {}
        try:
            config = self._read()
            require_applicable(self._stack.config, config)
            self._stack.apply(config, say)
        except Exception as error:  # noqa: BLE001 - no change may end a stack that serves
            say(f"{error}\nniche: the stack serves on as before; touch the file to try again")
            return
        # Of the files as they were read: what was written since then is the next change.
        self._served = {**self._stack.contents, self._path: found[self._path]}
        self._last = self._served
        self._tell_when_ready(started, missing)

    def _is_served(self) -> bool:
        try:
            return self._read() == self._stack.config
        except Exception:  # noqa: BLE001 - the first look says what is wrong
            return False

    def _tell_when_ready(self, started: float, missing: Collection[str]) -> None:
        try:
            wait_until_ready(self._stack.url, _READY_SECONDS, missing)
        except LaunchError as error:
            say(f"serving it, but {error}")
        else:
            say(f"serving it after {time.monotonic() - started:.0f} s")

    def _found(self) -> Contents:
        """The files of what is served, and when the configuration was written."""
        try:
            written = f"{self._path.stat().st_mtime_ns}"
        except OSError:
            written = ""
        found = contents(self._stack.config, self._path)
        return {**found, self._path: f"{found[self._path]} {written}"}
