"""The command: what it refuses, before anything is started."""

import re

import pytest

from lab.demonstration.__main__ import main
from lab.demonstration.results import JOURNAL


@pytest.fixture
def folders(tmp_path):
    return ["--out", str(tmp_path), "--work", str(tmp_path / "work")]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        pytest.param([], "give --data-dir DIR", id="no-data"),
        pytest.param(["--again"], f"{JOURNAL}: cannot be read", id="nothing-to-compute"),
        pytest.param(["--data-dir", ".", "--swap-at", "1"], "--swap-at 1.0: a share", id="no-swap"),
        pytest.param(
            ["--data-dir", ".", "--planted", "law=sql"], "no specialist has .*'law'", id="planted"
        ),
        pytest.param(["--data-dir", ".", "--better", "oracle:2"], "out of range", id="stand-in"),
        pytest.param(["--data-dir", "nowhere"], "nowhere", id="absent-data"),
    ],
)
def test_what_cannot_be_played_is_told_in_a_line(folders, capsys, more, told) -> None:
    """With exit code 2."""
    assert main([*folders, *more]) == 2

    said = capsys.readouterr().err.removeprefix("demonstration: ")
    assert said.count("\n") == 1
    assert re.search(told, said)


def test_results_of_another_run_are_not_mixed_in(folders, tmp_path, capsys) -> None:
    """A journal that is there is left alone."""
    (tmp_path / JOURNAL).write_text("{}\n")

    assert main([*folders, "--data-dir", "."]) == 2

    assert "is there already; name a new folder with --out" in capsys.readouterr().err
    assert (tmp_path / JOURNAL).read_text() == "{}\n"
