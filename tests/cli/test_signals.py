"""SIGINT and SIGTERM end a command at whatever it does."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from cli.signals import Terminated, held_back, listen


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """The handlers of the tests' own process come back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
def test_both_raise(number: signal.Signals, raised: type[BaseException]) -> None:
    """So that what was started is stopped."""
    listen()
    with pytest.raises(raised):
        os.kill(os.getpid(), number)


def test_what_comes_while_it_is_held_back_raises_afterwards() -> None:
    """Nothing is left half done."""
    done = []

    listen()

    def start() -> None:
        with held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append(True)

    with pytest.raises(Terminated):
        start()
    assert done


def test_what_was_swallowed_before_raises_too() -> None:
    """Python shows what a callback of an import raises, and goes on."""
    listen()
    with suppress(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
    started = False

    with pytest.raises(Terminated), held_back():
        started = True
    assert not started


def test_an_exit_that_another_handler_raised_counts_as_sigterm() -> None:
    """Ray installs one of its own while it starts."""

    listen()

    def start() -> None:
        with held_back():
            raise SystemExit(signal.SIGTERM)

    with pytest.raises(Terminated):
        start()
