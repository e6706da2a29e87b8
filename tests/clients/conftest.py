"""The gateway that the clients call. Needs pytest and the standard library alone."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def serving() -> Iterator[str]:
    """The address of a gateway with fake models, in a process of its own."""
    command = [sys.executable, "-m", "tests.clients.server"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, "the gateway did not start; its stderr says why"
        yield address
        process.communicate()


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """That of `NICHE_ADDRESS`, for an environment that cannot run a gateway."""
    known = os.environ.get("NICHE_ADDRESS")
    if known is not None:
        yield known
        return
    with serving() as started:
        yield started


@pytest.fixture(scope="session")
def url(address: str) -> str:
    """What an OpenAI client takes as its base URL."""
    return f"{address}/v1"


@pytest.fixture(scope="session")
def stack() -> str:
    """The address of the default stack, which `python -m tests.clients` starts."""
    return os.environ["NICHE_STACK"]


@pytest.fixture
def unique() -> str:
    """A text that nobody else asks `busy`, which refuses every other time."""
    return f"hello {time.time_ns()}"


@pytest.fixture
def idle(address: str) -> Callable[[], bool]:
    """Whether the gateway soon has no request in flight; an answer of `slow` takes 50 s."""

    def soon() -> bool:
        deadline = time.monotonic() + 5
        while "niche_requests_in_flight 0.0" not in _metrics(address):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    return soon


def _metrics(address: str) -> str:
    with urllib.request.urlopen(f"{address}/metrics", timeout=5) as response:
        return str(response.read(), "utf-8")
