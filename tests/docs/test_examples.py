"""The example configurations are valid, and repeat the default stack rightly."""

from pathlib import Path

import pytest
import yaml

from gateway.config_file import load_config, parse_config

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_valid(path: Path) -> None:
    """As `niche config check` reads it."""
    assert load_config(path).specialists


def test_a_laptop_has_the_default_specialists_in_one_pool() -> None:
    """Beside another generalist."""
    shipped, laptop = load_config(ROOT / "niche.yaml"), load_config(ROOT / "examples/laptop.yaml")
    assert laptop.specialists == shipped.specialists
    assert laptop.embeddings == shipped.embeddings
    assert laptop.generalist.model != shipped.generalist.model
    assert [len(pool.models) for pool in laptop.pools] == [1, len(laptop.specialists), 1]


def test_gpus_have_the_default_specialists_on_a_part_of_one() -> None:
    """As a pool on vLLM, beside a generalist on its own; the chart's values say the same."""
    shipped, gpu = load_config(ROOT / "niche.yaml"), load_config(ROOT / "examples/gpu.yaml")
    values = yaml.safe_load((ROOT / "helm/niche/values-gpu.yaml").read_text(encoding="utf-8"))
    [large, small] = gpu.pools

    assert [(it.name, it.domain, it.adapter, it.model) for it in small.models] == [
        (it.name, it.domain, it.adapter, it.model) for it in shipped.specialists
    ]
    assert {it.engine for it in gpu.models} == {"vllm"}
    assert (large.basis.resources.num_gpus, small.basis.resources.num_gpus) == (1, 0.25)
    assert parse_config(values["niche"], "values").models == gpu.models
