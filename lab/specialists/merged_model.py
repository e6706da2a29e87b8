"""Loads a base model with torch and merges its adapter, for training and for evaluation."""

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
        adapter: the adapter to merge into the weights, so that it adds no cost per token; None:
            only the base model.
        dtype: of the weights; the adapter is merged in it too.
        attention: transformers' name of an attention implementation; None: its default.
    """
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, attn_implementation=attention)
    if adapter is None:
        return model
    return PeftModel.from_pretrained(model, adapter.path).merge_and_unload()
