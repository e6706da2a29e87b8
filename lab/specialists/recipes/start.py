"""Where training starts from: the weights of an adapter that was trained before.

A run that keeps fewer layers takes the difference that the adapter learnt for those layers, under
their new numbers.
"""

import json
import re
from collections.abc import Sequence

import torch
from safetensors.torch import load_file

from deployments.models.adapters import Adapter
from lab.specialists.recipes.config import TrainConfig
from lab.specialists.recipes.errors import RecipeError

_LAYER = re.compile(r"(.*\.layers\.)(\d+)(\..*)")


def start_weights(adapter: Adapter, config: TrainConfig, layers: int) -> dict[str, torch.Tensor]:
    """The adapter's weights by their names in a model that keeps `config.layers`.

    Args:
        adapter: trained on the same base, at a depth that has all these layers.
        config: of the run that starts.
        layers: how many the base has.

    Raises:
        RecipeError: rank or alpha differ, or the adapter lacks a layer.
    """
    _require_same_scale(adapter, config)
    every = range(layers)
    own, kept = list(adapter.layers or every), list(config.layers or every)
    missing = [layer for layer in kept if layer not in own]
    if missing:
        raise RecipeError(f"adapter {adapter.path} has no layers {missing}; it keeps {own}")
    return _renumbered(
        load_file(adapter.path / "adapter_model.safetensors"), [own.index(old) for old in kept]
    )


def scale_of(adapter: Adapter) -> tuple[int, int]:
    """Its rank and alpha."""
    trained = json.loads((adapter.path / "adapter_config.json").read_text(encoding="utf-8"))
    return trained["r"], trained["lora_alpha"]


def _require_same_scale(adapter: Adapter, config: TrainConfig) -> None:
    rank, alpha = scale_of(adapter)
    if (rank, alpha) != (config.rank, config.alpha):
        raise RecipeError(
            f"adapter {adapter.path} has rank {rank} and alpha {alpha}, the run has "
            f"{config.rank} and {config.alpha}; start with the adapter's own"
        )


def _renumbered(weights: dict[str, torch.Tensor], places: Sequence[int]) -> dict[str, torch.Tensor]:
    """The weights of these layers, numbered by their order."""
    renumbered = {}
    for name, weight in weights.items():
        found = _LAYER.fullmatch(name)
        if found is None:
            renumbered[name] = weight
        elif int(found[2]) in places:
            renumbered[f"{found[1]}{places.index(int(found[2]))}{found[3]}"] = weight
    return renumbered
