"""The one way from a base model and an adapter to a model in memory."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from deployments.models.adapters import load_adapter
from lab.specialists.merged_model import load_model
from tests.deployments.adapters import save_adapter
from tests.deployments.tiny_model import save_tiny_model

IDS = torch.tensor([[5, 9, 3, 20, 7, 7, 11]])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("base"))


@torch.inference_mode()
def logits(model: Any) -> torch.Tensor:
    return model.eval()(IDS).logits


def test_without_an_adapter_it_is_the_base(base: Path) -> None:
    """Nothing is added."""
    plain = AutoModelForCausalLM.from_pretrained(base)

    assert torch.equal(logits(load_model(base, None, torch.float32)), logits(plain))


def test_an_adapter_is_merged(base: Path, tmp_path: Path) -> None:
    """The merged weights answer as PEFT's own model does, the adapter beside them."""
    adapter = save_adapter(tmp_path, base, seed=1)
    bare = AutoModelForCausalLM.from_pretrained(base)

    model = load_model(base, load_adapter(str(adapter)), torch.float32)

    assert not any("lora" in name for name, _ in model.named_parameters())
    assert not torch.allclose(logits(model), logits(bare), atol=1e-2)
    unmerged = PeftModel.from_pretrained(bare, adapter)
    assert torch.allclose(logits(model), logits(unmerged), atol=1e-4)


def test_precision_and_attention_are_as_asked(base: Path) -> None:
    """Both reach the model."""
    model = load_model(base, None, torch.bfloat16, "eager")

    assert model.dtype == torch.bfloat16
    assert model.config._attn_implementation == "eager"
