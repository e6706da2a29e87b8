"""pip as `make` runs it: its lines in a file, and what a person waits for on the terminal."""

import sys
from pathlib import Path

import pytest

from cli.install import install, progress

SAID = """\
Looking in indexes: http://127.0.0.1/simple
Collecting torch==2.13.0
  Downloading http://127.0.0.1/files/torch-2.13.0-cp311-none-linux.whl.metadata (30 kB)
  Downloading http://127.0.0.1/files/torch-2.13.0-cp311-none-linux.whl (190.5 MB)
  Downloading filelock-3.1-py3-none-any.whl (1.2 MB)
Installing collected packages: filelock, torch
"""


def pip(said: str, code: int) -> tuple[str, ...]:
    """Something that prints and ends as pip does."""
    return sys.executable, "-c", f"print({said!r}); raise SystemExit({code})"


def test_large_downloads_are_shown_and_everything_is_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A line each, with the size, and without the place it comes from."""
    log = tmp_path / "pip.log"

    assert install(log, pip(SAID, 0)) == 0

    shown = capsys.readouterr().out
    assert [line.split()[0] for line in shown.splitlines()] == ["torch", "unpacking", "done"]
    assert "torch 2.13.0 (190.5 MB)" in shown
    assert "127.0.0.1" not in shown
    assert log.read_text().startswith(SAID)


def test_a_failure_names_the_error_and_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And has pip's exit code."""
    log = tmp_path / "pip.log"

    assert install(log, pip("ERROR: No matching distribution found for torch==9", 1)) == 1

    shown = capsys.readouterr().out
    assert "ERROR: No matching distribution found for torch==9" in shown
    assert str(log) in shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        pytest.param(
            "  Using cached ray-2.60.0-cp311.whl (71 MB)",
            "ray 2.60.0 (71 MB, from pip's cache)",
            id="from the cache",
        ),
        pytest.param("Downloading cuda-13-x.whl (1.5 GB)", "cuda 13 (1.5 GB)", id="gigabytes"),
        pytest.param("Downloading numpy-2.4.6-cp311.whl (9.9 MB)", None, id="small"),
        pytest.param("Requirement already satisfied: pip", None, id="something else"),
    ],
)
def test_a_line_of_pips(line: str, shown: str | None) -> None:
    """Package, version, size: of downloads that take a while."""
    assert progress(line) == shown
