"""`niche benchmark`: names, the line about the machine, and what is refused."""

from pathlib import Path

import pytest

from cli import benchmark
from cli.machine import commit, machine
from cli.main import main


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What `niche` says on stderr when it cannot do as asked."""
    assert main(["benchmark", *arguments]) == 2
    return capsys.readouterr().err


def test_the_names_of_the_command_are_those_that_can_be_run() -> None:
    """The command keeps a list of its own, so that help does not import what they need."""
    from cli.benchmarks import BENCHMARKS

    assert tuple(BENCHMARKS) == benchmark.NAMES


def test_an_unknown_benchmark_is_named_with_those_that_are_known(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Nothing is loaded for it."""
    said = refused(capsys, "clinc", "--data-dir", str(tmp_path))
    assert said.startswith("niche: no benchmark 'clinc'; known: clinc150, ")


def test_a_folder_that_holds_something_else_is_not_written_to(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Earlier benchmarks may be written over, nothing else."""
    (tmp_path / "notes.txt").write_text("mine")
    said = refused(capsys, "clinc150", "--data-dir", str(tmp_path), "--out", str(tmp_path))
    assert "benchmarks.md is none of them" in said


def test_the_machine_is_described_on_one_line() -> None:
    """Processor, cores and versions."""
    assert "\n" not in machine()
    assert " cores; Python 3." in machine()
    assert "onnxruntime " in machine()


def test_the_commit_is_one_word() -> None:
    """A checksum, or `unknown` where there is no checkout."""
    assert commit().split() == [commit()]
