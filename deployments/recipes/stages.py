"""Training in stages: each goes on from the adapter of the one before, with settings of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deployments.models.adapters import load_adapter
from deployments.niches.niche import Niche
from deployments.recipes.config import TrainConfig
from deployments.recipes.train import TrainResult, train
from deployments.recipes.workplace import Workplace

__all__ = ["Stage", "train_stages"]


@dataclass(frozen=True)
class Stage:
    """One stage's settings, and what it did."""

    config: TrainConfig
    result: TrainResult


def train_stages(
    niche: Niche, place: Workplace, configs: Sequence[TrainConfig]
) -> tuple[Path, tuple[Stage, ...]]:
    """Trains stage after stage; a run that was cut goes on in the stage that it was in.

    Args:
        niche: what for.
        place: the base model, the data, and where to work: each stage has a folder there.
        configs: at least one, the first starting from the base model.

    Returns:
        The directory of the last stage's adapter, and what each stage did.

    Raises:
        RecipeError, DatasetError: as `train` does.
    """
    adapter = place.work_dir
    done: list[Stage] = []
    for number, config in enumerate(configs, start=1):
        start = load_adapter(str(adapter.resolve())) if done else None
        folder = place.work_dir / f"stage-{number}"
        result = train(niche, place.base_dir, place.data_dir, folder, config, start)
        done.append(Stage(config, result))
        adapter = folder / "adapter"
    return adapter, tuple(done)
