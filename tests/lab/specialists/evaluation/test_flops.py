"""The count of operations, held against torch's own count."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM

from deployments.models.errors import ModelError
from lab.specialists.evaluation.flops import Shape, request_flops
from tests.deployments.tiny_model import save_tiny_model

SMOLLM = {
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "num_hidden_layers": 30,
    "vocab_size": 49152,
}


def test_the_count_is_torchs_own_for_one_token_after_the_other(tmp_path: Path) -> None:
    """Token by token with a cache nothing masked is worked out, so both count the same."""
    # The fused attention's products are not among those that torch counts on a CPU.
    model = AutoModelForCausalLM.from_pretrained(
        save_tiny_model(tmp_path), attn_implementation="eager"
    )
    prompt, generated = 9, 5
    counter = FlopCounterMode(display=False)
    cache = None
    with counter, torch.no_grad():
        for place in range(prompt + generated - 1):
            out = model.model(torch.tensor([[5]]), past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            if place >= prompt - 1:
                model.lm_head(out.last_hidden_state)

    shape = Shape.of(model.config.to_dict())
    assert counter.get_total_flops() == request_flops(shape, prompt, generated)


def test_the_linear_weights_are_those_of_the_known_model() -> None:
    """106 million of SmolLM2-135M's 134.5 million weights; the rest are embedding and norms."""
    assert Shape.of(SMOLLM).linear_weights == 106_168_320


def test_half_the_layers_need_half_of_all_but_the_head() -> None:
    """The head works once per generated token, whatever the depth."""
    whole, half = Shape.of(SMOLLM), Shape.of(SMOLLM | {"num_hidden_layers": 15})
    head = 2 * 576 * 49152 * 7

    assert request_flops(half, 40, 7) - head == (request_flops(whole, 40, 7) - head) / 2


def test_a_longer_prompt_costs_more_than_in_proportion() -> None:
    """Attention grows with the square of the length."""
    shape = Shape.of(SMOLLM)

    assert request_flops(shape, 800, 1) > 2 * request_flops(shape, 400, 1)


def test_an_unknown_family_is_refused_by_name() -> None:
    """A figure of the wrong formula would be worse than none."""
    with pytest.raises(ModelError, match=r"'mixtral'.*llama"):
        Shape.of(SMOLLM | {"model_type": "mixtral"})
