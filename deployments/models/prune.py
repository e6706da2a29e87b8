"""Fewer decoder layers: a model that keeps some of its layers and forgets the others.

Rule: what is left is a model like any other. Its configuration, cache and layer numbers are those
of a model that was built with so many layers, so generation and continuous batching need not know.
"""

from collections.abc import Sequence
from typing import Any

from torch import nn

from deployments.models.errors import ModelError


def keep_layers(model: Any, layers: Sequence[int]) -> Any:
    """Keeps these decoder layers of a causal language model, in place; returns the model.

    Args:
        model: of transformers, with its decoder layers at `model.model.layers`, as Llama's are.
        layers: which to keep, counted from 0, ascending and each once.

    Raises:
        ModelError: the model has no such layers, or `layers` is empty, unsorted, or beyond them.
    """
    decoder = getattr(model, "model", None)
    stack = getattr(decoder, "layers", None)
    if decoder is None or not isinstance(stack, nn.ModuleList):
        raise ModelError(
            f"{type(model).__name__} has no decoder layers at model.layers; "
            "only models built as Llama is can keep some of their layers"
        )
    kept = list(layers)
    if not kept or kept != sorted(set(kept)) or kept[0] < 0 or kept[-1] >= len(stack):
        raise ModelError(
            f"layers to keep {kept}: name at least one of 0 to {len(stack) - 1}, "
            "ascending and each once"
        )
    decoder.layers = nn.ModuleList([stack[old] for old in kept])
    for new, layer in enumerate(decoder.layers):
        for module in layer.modules():
            if hasattr(module, "layer_idx"):  # where in the cache its keys and values lie
                module.layer_idx = new
    config = model.config
    types = getattr(config, "layer_types", None)
    config.num_hidden_layers = len(kept)
    if types is not None:
        config.layer_types = [types[old] for old in kept]
    return model
