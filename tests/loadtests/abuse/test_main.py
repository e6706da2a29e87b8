"""The command, without a run."""

import argparse
from pathlib import Path

import pytest

from loadtests.abuse.__main__ import Results, main
from loadtests.abuse.hostile import Spoils
from loadtests.abuse.report import Measured, Polite
from loadtests.traffic.errors import LoadTestError

QUIET = Polite((0.1,) * 20)
MEASURED = Measured("heads", 3, (QUIET, QUIET), (QUIET,), Spoils({"408": 3}, {}, 0.5), None)


def options(out: Path, *, seconds: float = 5.0, fresh: bool = False) -> argparse.Namespace:
    settings = {"rounds": 1, "quick": False, "clients": None, "host": None, "model": "any"}
    return argparse.Namespace(**settings, rate=2.0, seconds=seconds, fresh=fresh, out=out)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--rounds", "0"], "--rounds"),
        (["--seconds", "1000"], "--seconds"),
        (["--clients", "1000000"], "--clients"),
        (["--host", "http://192.0.2.1:8000"], "--host"),
        (["--host", "http://127.0.0.1:8000"], "--keys"),
        (["--host", "http://127.0.0.1:8000", "--keys", "nowhere.txt"], "nowhere.txt"),
    ],
    ids=["rounds", "seconds", "clients", "another machine", "no keys", "no file of keys"],
)
def test_a_run_is_bounded(
    given: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the option."""
    assert main([*given, "--out", str(tmp_path)]) == 2

    assert named in capsys.readouterr().err


def test_an_interrupted_run_continues(tmp_path: Path) -> None:
    """With what it has measured."""
    Results(tmp_path, options(tmp_path)).add(MEASURED)

    assert Results(tmp_path, options(tmp_path)).done == {"heads": MEASURED}
    assert "3 half heads" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_another_run_does_not(tmp_path: Path) -> None:
    """Unless it forgets what was measured."""
    Results(tmp_path, options(tmp_path)).add(MEASURED)

    with pytest.raises(LoadTestError, match="settings"):
        Results(tmp_path, options(tmp_path, seconds=6.0))
    assert not Results(tmp_path, options(tmp_path, seconds=6.0, fresh=True)).done


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    """By its name."""
    (tmp_path / "abuse.json").write_text("{}", encoding="utf-8")

    with pytest.raises(LoadTestError, match=r"abuse\.json"):
        Results(tmp_path, options(tmp_path))
