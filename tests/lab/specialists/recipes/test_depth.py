"""The depth curve: what is measured at each depth, and that nothing is done twice."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.models.adapters import Adapter, load_adapter
from lab.specialists.recipes.config import TrainConfig
from lab.specialists.recipes.depth import DepthPoint, depth_curve, kept_count
from lab.specialists.recipes.depth_report import write_depth
from lab.specialists.recipes.make import Workplace
from lab.specialists.recipes.train import train
from tests.deployments.tiny_model import save_tiny_model
from tests.lab.specialists.toy_niche import make_niche

CONFIG = TrainConfig(
    rank=4, learning_rate=0.02, batch_size=4, epochs=4, evaluate_every_steps=5, threads=1
)
NO_DATA = Path("unused")
LAYERS = 5


@pytest.mark.parametrize(
    ("total", "fraction", "kept"),
    [(30, 1.0, 30), (30, 0.8, 24), (30, 0.4, 12), (30, 0.01, 3), (2, 0.5, 2)],
)
def test_a_fraction_is_so_many_layers(total: int, fraction: float, kept: int) -> None:
    """Rounded, and never fewer than three where there are three."""
    assert kept_count(total, fraction) == kept


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.01, float("nan")])
def test_a_fraction_that_is_none_is_refused(fraction: float) -> None:
    """The error shows it."""
    with pytest.raises(ValueError, match=str(fraction)):
        kept_count(30, fraction)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("base"), layers=LAYERS)


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    work = tmp_path_factory.mktemp("whole")
    train(make_niche(), base, NO_DATA, work, CONFIG)
    return load_adapter(str(work / "adapter"))


def curve(
    base: Path, whole: Adapter, work_dir: Path, config: TrainConfig, fractions: tuple[float, ...]
) -> list[DepthPoint]:
    place = Workplace("tiny", base, NO_DATA, work_dir)
    return list(depth_curve(make_niche(), place, whole, fractions, config, None))


@pytest.fixture(scope="module")
def measured(
    base: Path, whole: Adapter, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[DepthPoint]]:
    work = tmp_path_factory.mktemp("depth")
    return work, curve(base, whole, work, CONFIG, (1.0, 0.6))


def test_each_depth_is_healed_and_graded(measured: tuple[Path, list[DepthPoint]]) -> None:
    """Points say how many layers there are, on how many rows they were graded, and how well."""
    full, fewer = measured[1]

    assert (full.layers, full.fraction, full.compute) == (5, 1.0, 1.0)
    assert (fewer.layers, fewer.fraction) == (3, 0.6)
    assert full.quality == 1
    assert all(point.test_rows == 16 and point.low <= point.quality for point in measured[1])


def test_compute_falls_by_less_than_the_layers(
    measured: tuple[Path, list[DepthPoint]],
) -> None:
    """The head stays: three of five layers cost more than three fifths."""
    full, fewer = measured[1]

    assert fewer.compute == fewer.flops / full.flops
    assert 0.6 < fewer.compute < 1


def test_what_was_healed_can_be_served(base: Path, measured: tuple[Path, list[DepthPoint]]) -> None:
    """Each depth leaves an adapter that names its layers."""
    healed = load_adapter(str(measured[0] / "layers-3" / "adapter"))

    order = json.loads((measured[0] / "order.json").read_text())["order"]
    assert healed.layers == tuple(sorted({*range(LAYERS)} - {*order}))
    assert healed.base == str(base)


def test_a_depth_that_is_done_is_not_run_again(
    base: Path, whole: Adapter, measured: tuple[Path, list[DepthPoint]], tmp_path: Path
) -> None:
    """Its figures are read: neither checkpoint nor adapter is needed."""
    for depth in ("layers-5", "layers-3"):
        (tmp_path / depth).mkdir()
        shutil.copy(measured[0] / depth / "point.json", tmp_path / depth)
    shutil.copy(measured[0] / "order.json", tmp_path)

    again = curve(base, whole, tmp_path, replace(CONFIG, threads=None), (1.0, 0.6))

    assert again == measured[1]
    assert not list(tmp_path.glob("*/adapter"))


def test_other_settings_are_run(
    base: Path, whole: Adapter, measured: tuple[Path, list[DepthPoint]], tmp_path: Path
) -> None:
    """Figures of another healing are not taken for this one's."""
    (tmp_path / "layers-3").mkdir()
    shutil.copy(measured[0] / "layers-3" / "point.json", tmp_path / "layers-3")

    (point,) = curve(base, whole, tmp_path, replace(CONFIG, epochs=1), (0.6,))

    assert point.steps == 6


def test_a_specialist_of_fewer_layers_loses_its_own(
    base: Path, measured: tuple[Path, list[DepthPoint]], tmp_path: Path
) -> None:
    """Fractions are of the layers that it has."""
    healed = load_adapter(str(measured[0] / "layers-3" / "adapter"))

    (point,) = curve(base, healed, tmp_path, replace(CONFIG, epochs=1), (1.0,))

    assert (point.layers, point.compute) == (3, 1.0)
    assert load_adapter(str(tmp_path / "layers-3" / "adapter")).layers == healed.layers


def test_a_bad_fraction_is_refused_before_anything_runs(
    base: Path, whole: Adapter, tmp_path: Path
) -> None:
    """Hours of the first depths are not spent before the last one is found wrong."""
    with pytest.raises(ValueError, match=r"got 1\.5"):
        curve(base, whole, tmp_path, CONFIG, (1.0, 1.5))

    assert not list(tmp_path.iterdir())


def test_the_report_has_every_point(
    whole: Adapter, measured: tuple[Path, list[DepthPoint]], tmp_path: Path
) -> None:
    """Figures for programs, a table for people, and a picture."""
    write_depth(make_niche(), whole, measured[1], tmp_path / "new")

    facts = json.loads((tmp_path / "new" / "depth.json").read_text())
    table = (tmp_path / "new" / "depth.md").read_text()
    assert [point["layers"] for point in facts["points"]] == [5, 3]
    assert facts["adapter"] == whole.sha256
    assert "| 5 (100%) | 1.000 [" in table
    assert "| 3 (60%) | " in table
    assert (tmp_path / "new" / "depth.png").read_bytes().startswith(b"\x89PNG")
