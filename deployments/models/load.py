"""A base model and what was trained on it -> one model in memory.

The one way in for the engine, for training and for evaluation: what is measured is what is served.
"""

from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from deployments.models.adapters import Adapter


def load_model(
    base: Path, adapter: Adapter | None, dtype: torch.dtype, attention: str | None = None
) -> Any:
    """Loads a model on the CPU and merges its adapter.

    Args:
        base: a transformers model directory.
        adapter: what to fold into the weights, where it costs nothing per token; None for the base
            model alone.
        dtype: of the weights; the adapter is merged in it too.
        attention: transformers' name of an attention implementation; None takes its default.
    """
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, attn_implementation=attention)
    if adapter is None:
        return model
    return PeftModel.from_pretrained(model, adapter.path).merge_and_unload()
