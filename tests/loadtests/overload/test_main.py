"""The command, without a run, and its table."""

import pytest

from loadtests.overload.__main__ import main
from loadtests.overload.clients import Load, Visit
from loadtests.overload.report import Measured, markdown


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--seconds", "1000"], "--seconds"),
        (["--times", "5", "1e6"], "--times"),
        (["--only", "litellm", "--litellm", "nowhere"], "--litellm"),
    ],
    ids=["seconds", "times", "LiteLLM is not there"],
)
def test_a_run_is_bounded(options: list[str], named: str, tmp_path, capsys) -> None:
    """The error names the option."""
    assert main([*options, "--out", str(tmp_path)]) == 2

    assert named in capsys.readouterr().err


def test_the_table_has_a_row_for_each_load() -> None:
    """With shares of the peak and of the accepted."""
    visits = (Visit("answered", 0.0, 2.0), Visit("left", 0.0, 30.0), Visit("refused", 1.0, 0.01))
    *_, row = markdown([Measured("Ours", 5.0, 0.2, Load(10.0, visits))]).splitlines()

    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:5] == ["Ours", "5 x 0.2/s", "0.1", "50.0 %", "50.0 %"]
    assert cells[7:] == ["1", "0.01", "1", "0"]
