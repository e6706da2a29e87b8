"""SIGINT and SIGTERM end a command at whatever it does, also while Ray starts."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_ENDING = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


def listen() -> None:
    """Has both raise; Ray sets handlers of its own while it starts, so call it again then."""
    for number in _ENDING:
        signal.signal(number, _interrupt)


@contextmanager
def held_back() -> Iterator[None]:
    """Raises only after the block for what came during it: Ray would leave half of its processes.

    Raises:
        KeyboardInterrupt: one of them came.
    """
    came: list[int] = []
    for number in _ENDING:
        signal.signal(number, lambda of, _: came.append(of))
    try:
        yield
    except SystemExit:  # Ray's own handler of SIGTERM
        came.append(signal.SIGTERM)
    finally:
        listen()
    if came:
        _interrupt(came[-1], None)


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
