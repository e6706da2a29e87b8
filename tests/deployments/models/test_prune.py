"""A model that keeps some of its layers is the model that was built with these layers alone."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from deployments.models.errors import ModelError
from deployments.models.prune import keep_layers
from tests.deployments.tiny_model import save_tiny_model

IDS = torch.tensor([[5, 9, 3, 20, 7, 7, 11]])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("base"), layers=5)


def whole(base: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(base).eval()


def by_hand(base: Path, layers: list[int]) -> Any:
    """A model of so many layers from the start, given the weights of these."""
    source = whole(base)
    source.config.num_hidden_layers = len(layers)
    model = LlamaForCausalLM(source.config).eval()
    weights = {}
    for name, value in source.state_dict().items():
        head, _, tail = name.partition("model.layers.")
        if not tail:
            weights[name] = value
            continue
        old, _, rest = tail.partition(".")
        if int(old) in layers:
            weights[f"{head}model.layers.{layers.index(int(old))}.{rest}"] = value
    model.load_state_dict(weights)
    return model


@torch.inference_mode()
def logits(model: Any) -> torch.Tensor:
    return model(IDS).logits


@torch.inference_mode()
def generated(model: Any, *, use_cache: bool) -> list[int]:
    mask = torch.ones_like(IDS)
    out = model.generate(
        IDS, attention_mask=mask, max_new_tokens=20, do_sample=False, use_cache=use_cache
    )
    return out[0].tolist()


@pytest.mark.parametrize("layers", [[0, 1, 4], [2], [1, 3], [0, 1, 2, 3, 4]])
def test_it_is_the_model_built_of_these_layers(base: Path, layers: list[int]) -> None:
    """Logits are those of a model that never had the others."""
    pruned = keep_layers(whole(base), layers)

    assert torch.equal(logits(pruned), logits(by_hand(base, layers)))


def test_other_layers_are_another_model(base: Path) -> None:
    """Which layers are kept matters: the comparison above could fail."""
    assert not torch.allclose(
        logits(keep_layers(whole(base), [0, 1, 4])), logits(keep_layers(whole(base), [0, 2, 4]))
    )


def test_it_generates_with_its_cache_as_without(base: Path) -> None:
    """Keys and values lie where the layers that are left look for them."""
    with_cache = generated(keep_layers(whole(base), [0, 2, 4]), use_cache=True)
    without = generated(keep_layers(whole(base), [0, 2, 4]), use_cache=False)

    assert with_cache == without
    assert len(set(without)) > 3


def test_it_is_saved_and_loaded_as_any_model(base: Path, tmp_path: Path) -> None:
    """The configuration says how many layers there are."""
    pruned = keep_layers(whole(base), [0, 2, 4])
    pruned.save_pretrained(tmp_path)

    assert torch.equal(logits(whole(tmp_path)), logits(pruned))


def test_the_kinds_of_layers_go_with_them() -> None:
    """Where the configuration lists a kind for each layer, it lists those that are kept."""
    config = Qwen2Config(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=1,
        layer_types=["full_attention", "sliding_attention"] * 2,
        use_sliding_window=True,
        sliding_window=4,
        pad_token_id=0,
        eos_token_id=31,
    )
    torch.manual_seed(0)

    pruned = keep_layers(Qwen2ForCausalLM(config).eval(), [0, 1, 3])

    assert pruned.config.layer_types == ["full_attention", *["sliding_attention"] * 2]
    assert generated(pruned, use_cache=True) == generated(pruned, use_cache=False)


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param([], id="none"),
        pytest.param([0, 5], id="beyond the last"),
        pytest.param([-1, 0], id="counted from the end"),
        pytest.param([2, 1], id="unsorted"),
        pytest.param([1, 1], id="twice"),
    ],
)
def test_layers_that_cannot_be_kept_are_refused(base: Path, layers: list[int]) -> None:
    """The error shows what was asked for and what there is, and the model is as it was."""
    model = whole(base)
    before = logits(model)

    with pytest.raises(ModelError) as refused:
        keep_layers(model, layers)

    assert str(layers) in str(refused.value)
    assert "0 to 4" in str(refused.value)
    assert torch.equal(logits(model), before)


def test_a_model_without_such_layers_is_refused() -> None:
    """A model of another build is named, not half changed."""
    with pytest.raises(ModelError, match="Linear has no decoder layers"):
        keep_layers(torch.nn.Linear(2, 2), [0])
