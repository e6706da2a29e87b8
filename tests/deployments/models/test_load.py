"""The one way from a base model and an adapter to a model in memory."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from deployments.engine import EngineContext, create_engine
from deployments.models.adapters import load_adapter
from deployments.models.errors import ModelError
from deployments.models.load import load_model
from deployments.models.prune import keep_layers
from deployments.protocol import Prompt, Sampling
from deployments.spec import ModelSpec
from tests.deployments.adapters import save_adapter
from tests.deployments.tiny_model import LETTERS, save_tiny_model

IDS = torch.tensor([[5, 9, 3, 20, 7, 7, 11]])
KEPT = [0, 1, 3]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("base"), layers=4)


@pytest.fixture(scope="module")
def pruned(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter(tmp_path_factory.mktemp("pruned"), base, seed=1, layers=KEPT)


@torch.inference_mode()
def logits(model: Any) -> torch.Tensor:
    return model.eval()(IDS).logits


def unmerged(base: Path, adapter: Path) -> Any:
    """PEFT's own model, the adapter beside the kept layers' weights and not in them."""
    model = keep_layers(AutoModelForCausalLM.from_pretrained(base), KEPT)
    return PeftModel.from_pretrained(model, adapter)


def test_without_an_adapter_it_is_the_base(base: Path) -> None:
    """Nothing is dropped and nothing is added."""
    plain = AutoModelForCausalLM.from_pretrained(base)

    assert torch.equal(logits(load_model(base, None, torch.float32)), logits(plain))


def test_layers_are_dropped_and_the_adapter_is_merged(base: Path, pruned: Path) -> None:
    """The card's layers are kept, and the trained difference is in their weights."""
    model = load_model(base, load_adapter(str(pruned)), torch.float32)

    assert model.config.num_hidden_layers == 3
    assert not any("lora" in name for name, _ in model.named_parameters())
    assert torch.allclose(logits(model), logits(unmerged(base, pruned)), atol=1e-4)
    bare = keep_layers(AutoModelForCausalLM.from_pretrained(base), KEPT)
    assert not torch.allclose(logits(model), logits(bare), atol=1e-2)


def test_precision_and_attention_are_as_asked(base: Path) -> None:
    """Both reach the model."""
    model = load_model(base, None, torch.bfloat16, "eager")

    assert model.dtype == torch.bfloat16
    assert model.config._attn_implementation == "eager"


def test_layers_that_the_base_lacks_are_refused(pruned: Path, tmp_path: Path) -> None:
    """An adapter for a deeper model is not merged into a shallower one."""
    shallow = save_tiny_model(tmp_path, layers=2)

    with pytest.raises(ModelError, match=r"\[0, 1, 3\]: name at least one of 0 to 1"):
        load_model(shallow, load_adapter(str(pruned)), torch.float32)


async def test_the_engine_serves_a_model_of_fewer_layers(base: Path, pruned: Path) -> None:
    """Continuous batching answers as plain generation does, token for token."""
    spec = ModelSpec(
        name="tiny",
        model=str(base),
        adapter=str(pruned),
        engine_options={"max_context_tokens": 256, "cache_tokens": 1024},
    )
    engine = create_engine(spec, EngineContext(base))
    await engine.start()
    asked = Prompt("r", text="once more", sampling=Sampling(max_tokens=24, temperature=0.0))
    answer = "".join([chunk.text async for chunk in engine.stream(asked)])
    await engine.stop()

    ids = torch.tensor([[LETTERS.index(letter) + 2 for letter in "once more"]])
    with torch.inference_mode():
        out = unmerged(base, pruned).generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=24,
            do_sample=False,
        )
    wanted = [token for token in out[0, ids.shape[1] :].tolist() if token > 1]
    assert answer == "".join(LETTERS[token - 2] for token in wanted)
    assert len(set(answer)) > 2
