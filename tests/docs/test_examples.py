"""The example configurations are valid, and repeat the default stack rightly."""

from pathlib import Path

import pytest

from gateway.config_file import load_config

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
    assert laptop.generalist.model != shipped.generalist.model
    assert [len(pool.models) for pool in laptop.pools] == [1, len(laptop.specialists)]
