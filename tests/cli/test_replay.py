"""`niche replay`: its options, what it prints and writes, and a line in place of a traceback."""

import json
from pathlib import Path

import pytest

from cli.main import main
from tests.cli.commands import refused


@pytest.fixture
def rows(tmp_path: Path) -> str:
    """A file in which only the dear model can do the hard half."""
    path = tmp_path / "rows.jsonl"
    lines = (
        {
            "prompt": f"prompt {number}",
            "group": "hard" if number % 2 else "easy",
            "scores": {"small": 1 - number % 2, "large": 1},
        }
        for number in range(40)
    )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], ["FILE", "--set"]),
        (["--set", "routellm_mmlu"], ["--data-dir"]),
        (["x.jsonl", "--data-dir", "y"], ["--set", "--data-dir"]),
        (["nowhere.jsonl"], ["nowhere.jsonl"]),
        (["--set", "mmlu", "--data-dir", "."], ["'mmlu'", "routellm_mmlu"]),
    ],
    ids=" ".join,
)
def test_a_line_names_what_is_wrong(capsys, arguments, named):
    """Option, file or value."""
    error = refused(capsys, "replay", *arguments)

    assert [part for part in named if part not in error] == []


def test_costs_must_be_known(capsys, rows):
    """They are in the file, or given as prices."""
    assert "'small'" in refused(capsys, "replay", rows)


@pytest.mark.parametrize("given", ["small", "small=x", "=3", "small=-1", "small=inf", "small=nan"])
def test_a_price_names_a_model_and_a_number(capsys, rows, given):
    """Anything else is refused by name."""
    with pytest.raises(SystemExit):
        main(["replay", rows, "--price", given])
    assert repr(given) in capsys.readouterr().err


def test_it_prints_tables_and_writes_a_report(capsys, rows, tmp_path):
    """A second time over the first, and not over anything else."""
    out = tmp_path / "out"
    command = ["replay", rows, "--price", "small=1", "large=10", "--sample", "30"]
    assert main([*command, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "always, 30 prompts" in said
    assert "domain means" in said
    assert {path.name for path in out.iterdir()} == {"report.json", "frontier.png", "lift.png"}
    assert main([*command, "--out", str(out)]) == 0
    capsys.readouterr()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert "report.json" in refused(capsys, *command, "--out", str(tmp_path / "mine"))


def test_a_file_without_groups_beside_one_with_them_is_a_group(capsys, rows, tmp_path):
    """As of GSM8K's outcomes beside MMLU's, which have subjects."""
    other = tmp_path / "other.jsonl"
    other.write_text('{"prompt": "2 + 2", "scores": {"small": 0, "large": 1}}\n' * 3)

    assert main(["replay", rows, str(other), "--price", "small=1", "large=10"]) == 0

    assert "domain means" in capsys.readouterr().out
