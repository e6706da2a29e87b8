"""`niche benchmark`: names, and what is refused."""

from pathlib import Path

import pytest

from cli.main import main
from lab.benchmarks.registry import BENCHMARKS
from tests.cli.commands import refused


def test_without_a_name_the_benchmarks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """One a line."""
    assert main(["benchmark"]) == 0

    assert capsys.readouterr().out.split() == [*BENCHMARKS]


def test_an_unknown_benchmark_is_named_with_those_that_are_known(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Nothing is loaded for it."""
    error = refused(capsys, "benchmark", "clinc", "--data-dir", str(tmp_path))

    assert "'clinc'" in error
    assert ", ".join(BENCHMARKS) in error


def test_a_benchmark_needs_data(capsys: pytest.CaptureFixture[str]) -> None:
    """The option is named."""
    assert "--data-dir" in refused(capsys, "benchmark", "clinc150")


def test_a_folder_that_holds_something_else_is_not_written_to(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Earlier benchmarks may be written over, nothing else."""
    (tmp_path / "notes.txt").write_text("mine")
    folder = str(tmp_path)

    error = refused(capsys, "benchmark", "clinc150", "--data-dir", folder, "--out", folder)

    assert f"--out {folder}" in error
    assert "benchmarks.md" in error
