"""SIGINT and SIGTERM end a command at whatever it does, also while Ray starts."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


_came: list[int] = []
"""What came since the command began: what is raised in a callback of an import goes no further."""


def listen() -> None:
    """Has both raise, from now on."""
    _came.clear()
    _handle(_interrupt)


@contextmanager
def held_back() -> Iterator[None]:
    """Raises only after the block for what came during it: Ray would leave half of its processes.
    Raises before it for what came before, and was swallowed.

    Raises:
        KeyboardInterrupt: one of them came.
    """
    _raise_if_one_came()
    _handle(lambda number, _: _came.append(number))
    try:
        yield
    except SystemExit:  # Ray's own handler of SIGTERM
        _came.append(signal.SIGTERM)
    finally:
        _handle(_interrupt)  # Ray has set its own while it started
    _raise_if_one_came()


def _handle(handler: Callable[[int, FrameType | None], object]) -> None:
    for number in _ENDING:
        signal.signal(number, handler)


def _raise_if_one_came() -> None:
    if _came:
        raise Terminated if _came[-1] == signal.SIGTERM else KeyboardInterrupt


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _came.append(number)
    _raise_if_one_came()
