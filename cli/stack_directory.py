"""The directory of a stack on this machine: all files and sockets of its processes lie there.

It is its user's alone, whatever modes the files in it have: Ray has everybody write to its own. It
ends with the stack. Where the stack failed its logs stay until the next start, which also removes
what a killed one left.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.orphans import PREFIX, claim, end_orphans

LOGS = "run/ray/session_latest/logs"
"""Of Ray, of Serve and of the gateway's and the models' replicas, in the directory."""

_LONGEST = 12
"""HAProxy takes 97 bytes for the path of a socket, of which those of Serve need 85."""
_REMOVE_SECONDS, _PAUSE_SECONDS = 5.0, 0.2


def temporary_directory() -> Path:
    """Where directories of stacks are made."""
    usual = tempfile.gettempdir()
    return Path(usual if len(os.fsencode(usual)) <= _LONGEST else "/tmp")


@contextmanager
def stack_directory(temporary: Path, say: Callable[[str], object]) -> Iterator[Path]:
    """A directory for a stack; first ends what killed ones left.

    Args:
        temporary: where it is made.
        say: called with a message for what was ended, or is kept.
    """
    for pid in end_orphans(temporary):
        say(f"ended HAProxy {pid}, which a killed niche serve had left")
    state_dir, kept = Path(tempfile.mkdtemp(prefix=PREFIX, dir=temporary)), False
    try:
        claim(state_dir)
        yield state_dir
    except Exception:
        if kept := (state_dir / LOGS).exists():
            say(f"logs are kept in {state_dir / LOGS} until the next start")
        raise
    finally:
        if not kept:
            _remove(state_dir)


def _remove(state_dir: Path) -> None:
    """Removes it, though what has just ended may still write there."""
    until = time.monotonic() + _REMOVE_SECONDS
    while state_dir.exists() and time.monotonic() < until:
        shutil.rmtree(state_dir, ignore_errors=True)
        if state_dir.exists():
            time.sleep(_PAUSE_SECONDS)
