"""Training in stages: each goes on from the adapter of the one before, with settings of its own.

The first comes from afar. Those after it walk about one place, each with its rows in an order of
its own, and the middle of where they end is better than any end ("model soups", Wortsman et al.,
2022): what they leave is the mean of their weights.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from deployments.models.adapters import load_adapter
from deployments.models.cache import sha256_of
from lab.specialists.niches.niche import Niche
from lab.specialists.recipes.config import TrainConfig
from lab.specialists.recipes.train import TrainResult, train
from lab.specialists.recipes.workplace import Workplace

_WEIGHTS = "adapter_model.safetensors"


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
        The directory of an adapter that is the mean of those of all stages but the first, or that
        of the only stage; and what each stage did.

    Raises:
        RecipeError, DatasetError: as `train` does.
    """
    adapters: list[Path] = []
    done: list[Stage] = []
    for number, config in enumerate(configs, start=1):
        start = load_adapter(str(adapters[-1].resolve())) if adapters else None
        folder = place.work_dir / f"stage-{number}"
        result = train(niche, place.base_dir, place.data_dir, folder, config, start)
        done.append(Stage(config, result))
        adapters.append(folder / "adapter")
    if len(adapters) < 3:
        return adapters[-1], tuple(done)
    return _mean(adapters[1:], place.work_dir / "mean"), tuple(done)


def _mean(adapters: Sequence[Path], folder: Path) -> Path:
    """Writes the mean of adapters of one shape; returns its folder."""
    weights = [load_file(adapter / _WEIGHTS) for adapter in adapters]
    shutil.copytree(adapters[-1], folder, dirs_exist_ok=True)
    mean = {key: torch.stack([of[key] for of in weights]).mean(dim=0) for key in weights[-1]}
    save_file(mean, folder / _WEIGHTS, metadata={"format": "pt"})
    card = json.loads((folder / "niche.json").read_text(encoding="utf-8"))
    card["sha256"] = sha256_of(folder / _WEIGHTS)
    (folder / "niche.json").write_text(json.dumps(card, indent=2), encoding="utf-8")
    return folder
