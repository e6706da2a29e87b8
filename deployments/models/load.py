"""A base model and what was trained on it -> one model in memory.

The one way in for the engine, for training and for evaluation: what is measured is what is served.
"""

from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from deployments.models.adapters import Adapter
from deployments.models.prune import keep_layers


def load_model(
    base: Path, adapter: Adapter | None, dtype: torch.dtype, attention: str | None = None
) -> Any:
    """Loads a model on the CPU, drops the layers that its adapter does without, and merges it.

    Args:
        base: a transformers model directory.
        adapter: what to fold into the weights, where it costs nothing per token; None for the base
            model alone.
        dtype: of the weights; the adapter is merged in it too.
        attention: transformers' name of an attention implementation; None takes its default.

    Raises:
        ModelError: the adapter's card names layers that the base does not have.
    """
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, attn_implementation=attention)
    if adapter is None:
        return model
    if adapter.layers is not None:
        keep_layers(model, adapter.layers)
    return PeftModel.from_pretrained(model, adapter.path).merge_and_unload()
