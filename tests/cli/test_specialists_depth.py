"""`niche specialists depth`: a curve on disk, and lines for what cannot be."""

import json
import os
from pathlib import Path

import pytest

from cli.main import main
from deployments.models.adapters import load_adapter
from tests.cli.commands import refused
from tests.deployments.adapters import save_adapter
from tests.deployments.tiny_model import save_tiny_model

DEPTH = ("specialists", "depth")


@pytest.mark.parametrize("fractions", ["", "0", "1.5", "0.5,", "half", "0.5;0.4", "nan"])
def test_fractions_that_are_none_are_refused(
    capsys: pytest.CaptureFixture[str], fractions: str
) -> None:
    """Each is above 0 and at most 1."""
    with pytest.raises(SystemExit):
        main([*DEPTH, "sql", "--data-dir", "x", f"--fractions={fractions}"])

    assert "is no list of fractions" in capsys.readouterr().err


def test_an_unknown_niche_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """With those that there are."""
    said = refused(capsys, *DEPTH, "poems", "--data-dir", "x")

    assert "no niche 'poems'; known: sql, tools" in said


def test_a_weight_that_cannot_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Distilling with less than nothing is no training."""
    assert "distil must be above 0" in refused(
        capsys, *DEPTH, "sql", "--data-dir", "x", "--distil", "-1"
    )


def test_an_unknown_adapter_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The whole specialist must be there before anything starts."""
    missing = str(tmp_path / "missing")

    assert "missing" in refused(capsys, *DEPTH, "sql", "--data-dir", "x", "--adapter", missing)


@pytest.fixture
def data_dir() -> str:
    where = os.environ.get("NICHE_DATA_DIR")
    if not where:
        pytest.skip("NICHE_DATA_DIR does not name the directory of the public data sets")
    return where


@pytest.mark.data
def test_a_curve_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data_dir: str
) -> None:
    """Each depth's figures as they are done, and what was healed beside them."""
    base = save_tiny_model(tmp_path / "base", layers=4)
    adapter = save_adapter(tmp_path / "adapter", base, seed=1)
    work = tmp_path / "work"
    command = (
        *(*DEPTH, "support", "--data-dir", data_dir, "--adapter", str(adapter)),
        *("--fractions", "1.0,0.75", "--examples", "8", "--epochs", "1", "--distil"),
        *("--threads", "1", "--test-rows", "2", "--work-dir", str(work)),
    )

    assert main(command) == 0

    points = json.loads((work / "depth.json").read_text())["points"]
    assert [point["layers"] for point in points] == [4, 3]
    assert len(load_adapter(str(work / "layers-3" / "adapter")).layers or ()) == 3
    assert {"depth.md", "depth.png"} <= {path.name for path in work.iterdir()}
    assert "3 layers: quality" in capsys.readouterr().out
