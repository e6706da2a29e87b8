"""SIGTERM ends a command like Ctrl-C, so that what it started is stopped."""

import signal
from types import FrameType
from typing import NoReturn


def end_on_sigterm() -> None:
    """Has SIGTERM raise KeyboardInterrupt from now on."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    del signum, frame
    raise KeyboardInterrupt
