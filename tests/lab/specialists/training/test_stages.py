"""Training in stages: one adapter, each stage from where the last one stopped."""

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from deployments.models.adapters import load_adapter
from lab.specialists.recipe import TrainConfig
from lab.specialists.training.train import train_stages
from lab.specialists.training.workspace import Workspace
from tests.deployments.tiny_model import save_tiny_model
from tests.lab.specialists.toy_niche import make_niche

CONFIG = TrainConfig(rank=4, learning_rate=0.02, batch_size=4, epochs=8, threads=1)
STILL = replace(CONFIG, learning_rate=1e-12, epochs=1, seed=1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    base = save_tiny_model(tmp_path_factory.mktemp("base"))
    return Workspace("org/tiny", base, Path("unused"), tmp_path_factory.mktemp("work"))


def test_a_stage_goes_on_from_the_last_ones_adapter(place: Workspace) -> None:
    """One that learns nothing leaves the weights as the one before made them."""
    adapter, stages = train_stages(make_niche(), place, [CONFIG, STILL])

    before = load_file(place.work_dir / "stage-1" / "adapter" / "adapter_model.safetensors")
    after = load_file(adapter / "adapter_model.safetensors")
    assert [stage.config for stage in stages] == [CONFIG, STILL]
    assert all(weight.allclose(before[name], atol=1e-6) for name, weight in after.items())


def test_what_later_stages_leave_is_their_mean(place: Workspace, tmp_path: Path) -> None:
    """The first comes from afar, and is left out; the card is of the mean's own bytes."""
    place = replace(place, work_dir=tmp_path)
    short = [replace(CONFIG, epochs=1, seed=seed) for seed in range(3)]
    folder, _ = train_stages(make_niche(), place, short)

    first, second, third = (
        load_file(place.work_dir / f"stage-{number}" / "adapter" / "adapter_model.safetensors")
        for number in (1, 2, 3)
    )
    found = load_file(load_adapter(str(folder)).path / "adapter_model.safetensors")
    assert all(of.allclose((second[k] + third[k]) / 2, atol=1e-6) for k, of in found.items())
    for end in (first, second, third):
        assert not all(of.allclose(end[k], atol=1e-6) for k, of in found.items())


def test_stages_that_are_done_are_not_run_again(place: Workspace) -> None:
    """The same call again finds everything, and takes no step."""
    first = train_stages(make_niche(), place, [CONFIG, STILL])

    again = train_stages(make_niche(), place, [CONFIG, STILL])

    assert [stage.result.steps for stage in again[1]] == [stage.result.steps for stage in first[1]]
    assert [stage.result.seconds for stage in again[1]] == [s.result.seconds for s in first[1]]
