"""A stack's directory is its user's alone, and goes with the stack."""

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from cli.stack_directory import LOGS, stack_directory, temporary_directory

CLAIM = "import sys; from pathlib import Path; from cli.orphans import claim; claim(Path({!r}))"


class Failed(Exception):
    """Something in the stack did."""


def end_by(error: BaseException, temporary: Path, *, logs: bool = True) -> tuple[int, list[str]]:
    """Has a stack begin and end; returns its directory's mode, and what was said."""
    mode, said = 0, list[str]()
    with suppress(type(error)), stack_directory(temporary, said.append) as state_dir:
        mode = state_dir.stat().st_mode & 0o777
        if logs:
            (state_dir / LOGS).mkdir(parents=True)
        raise error
    return mode, said


def test_it_is_private_and_ends_with_the_stack(tmp_path: Path) -> None:
    """Also where the stack is stopped by a signal."""
    assert end_by(KeyboardInterrupt(), tmp_path) == (0o700, [])
    assert list(tmp_path.iterdir()) == []


def test_after_a_failure_the_logs_are_there_to_be_read(tmp_path: Path) -> None:
    """Where they are is said; a failure before there are any leaves nothing."""
    _, [said] = end_by(Failed(), tmp_path)
    assert end_by(Failed(), tmp_path, logs=False) == (0o700, [])

    [kept] = tmp_path.iterdir()
    assert str(kept / LOGS) in said


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_the_next_start_removes_what_is_left(tmp_path: Path) -> None:
    """Of a stack whose process is gone, since it failed or was killed."""
    (left := tmp_path / "niche-left").mkdir()
    subprocess.run([sys.executable, "-c", CLAIM.format(str(left))], check=True)
    (left / LOGS).mkdir(parents=True)

    with stack_directory(tmp_path, print) as state_dir:
        assert list(tmp_path.iterdir()) == [state_dir]


def test_sockets_in_it_have_names_that_fit() -> None:
    """A long directory for temporary files is passed over."""
    code = "from cli.stack_directory import temporary_directory as of; print(of())"
    with tempfile.TemporaryDirectory(prefix="a-directory-with-a-long-name") as long:
        environment = os.environ | {"TMPDIR": long}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, check=True
        )
    assert done.stdout.decode().strip() == "/tmp"
    assert temporary_directory().is_dir()
