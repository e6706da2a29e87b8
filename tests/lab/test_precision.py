"""Which precision a training multiplies in."""

import pytest
import torch

from lab.precision import products_dtype


def test_a_gpu_multiplies_in_bfloat16() -> None:
    assert products_dtype("cuda") == torch.bfloat16


def test_a_cpu_does_if_it_has_the_instructions() -> None:
    """Else every product would be emulated."""
    instructions = torch.backends.cpu.get_cpu_capability()
    if instructions not in ("AVX2", "AVX512"):
        pytest.skip(f"what {instructions} should multiply in was not measured")

    assert (products_dtype("cpu") == torch.bfloat16) == (instructions == "AVX512")
