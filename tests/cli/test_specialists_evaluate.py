"""`niche specialists evaluate`: its options, and a line in place of a traceback."""

from pathlib import Path

import pytest

from tests.cli.commands import refused

EVALUATE = ("specialists", "evaluate")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--all"),
        (["sql", "--all"], "--all"),
        (["poems"], "'poems'"),
        (["sql", "--adapter", "sql"], "--adapter sql"),
        (["sql", "--adapter", "tools=x"], "--adapter tools=x"),
        (["sql", "--rows", "3"], "'smollm2-135m-instruct'"),
    ],
    ids=["nothing", "both", "unknown", "no pair", "a foreign pair", "no model"],
)
def test_what_cannot_be_done_is_refused_in_a_line(
    arguments: list[str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The line names what is wrong."""
    monkeypatch.setenv("NICHE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    assert named in refused(capsys, *EVALUATE, *arguments, "--data-dir", str(tmp_path))


def test_a_folder_that_holds_something_else_is_not_written_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Earlier matrices may be written over, nothing else."""
    (tmp_path / "notes.txt").write_text("mine")
    folder = str(tmp_path)

    said = refused(capsys, *EVALUATE, "sql", "--data-dir", folder, "--out", folder)

    assert "matrix.md" in said
