"""What a run needs of the project beside it, as its operator would get it: by its commands."""

import subprocess
import sys
from pathlib import Path

from lab.comparison.errors import ComparisonError
from lab.machine import commit, machine

_SHOWN = 400


def write_set(path: Path, data_dir: Path, rows: int) -> None:
    """Writes real test prompts of all niches and general ones, with their right answers.

    Args:
        path: the file.
        data_dir: where the public data sets lie.
        rows: of each niche; some have fewer.

    Raises:
        ComparisonError: it cannot be written.
    """
    _said(
        *("-m", "cli.main", "compare", "--write-set", str(path), "--data-dir", str(data_dir)),
        *("--rows", str(rows), "--ask-generalist", "plain"),
    )


def commit_and_machine() -> tuple[str, str]:
    """Where the figures were measured, in the words of the project's other reports."""
    return commit(), machine()


def _said(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        told = " ".join((done.stderr or done.stdout)[-_SHOWN:].split())
        raise ComparisonError(f"python {' '.join(arguments[:3])}: {told}")
    return done.stdout.strip()
