"""Prices from a file of their own, or from niche.yaml."""

from pathlib import Path

import pytest

from lab.comparison.errors import ComparisonError
from lab.comparison.prices import ModelPrice, read_prices


def written(folder: Path, text: str) -> Path:
    path = folder / "prices.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_prices_is_read(tmp_path: Path) -> None:
    """Each model's own; what is not said is nothing."""
    found = read_prices(
        written(tmp_path, "currency: EUR\nmodels: {a: {prompt_per_million_tokens: 2}}\n")
    )

    assert (found.currency, found.models["a"]) == ("EUR", ModelPrice(prompt_per_million_tokens=2))


def test_a_stacks_configuration_is_a_file_of_prices(tmp_path: Path) -> None:
    """With as many replicas as always stand there."""
    text = """
generalist: {name: big, price: {machine_per_hour: 3}, replicas: 2}
specialists:
  - {name: sql, price: {machine_per_hour: 1}, autoscaling: {min_replicas: 0, max_replicas: 4}}
  - {name: tools}
observability: {currency: EUR}
"""
    found = read_prices(written(tmp_path, text))

    assert found.currency == "EUR"
    assert {name: (of.machine_per_hour, of.replicas) for name, of in found.models.items()} == {
        "big": (3, 2),
        "sql": (1, 0),
        "tools": (0, 1),
    }


def test_a_stack_says_who_shares_replicas(tmp_path: Path) -> None:
    """What else it holds, known or not, is not read."""
    text = """
generalist: {name: big, model: m, engine: fake, colour: red}
specialists:
  - {name: sql, model: m, engine: fake, domain: sql, price: {prompt_per_million_tokens: 1}}
  - {name: tools, model: m, engine: fake, domain: tools}
  - {name: math, model: m, engine: fake, domain: math, pool: x, replicas: 2}
"""
    found = read_prices(written(tmp_path, text)).models

    assert {name: (of.pool, of.replicas) for name, of in found.items()} == {
        "big": (None, 1),
        "sql": ("m", 1),
        "tools": ("m", 1),
        "math": ("x", 2),
    }


def test_adapters_of_a_server_share_its_machines(tmp_path: Path) -> None:
    """They are models with one URL."""
    text = """
generalist: {name: big, model: m, engine: fake}
specialists:
  - &adapter
    name: sql
    model: sql
    engine: openai
    engine_options: {base_url: http://small:8000/v1}
    price: {machine_per_hour: 1}
  - {<<: *adapter, name: tools, model: tools}
"""
    found = read_prices(written(tmp_path, text)).models

    assert {name: of.pool for name, of in found.items()} == {
        "big": None,
        "sql": "http://small:8000/v1",
        "tools": "http://small:8000/v1",
    }


def test_the_shipped_configuration_has_prices() -> None:
    """The example that the help names."""
    assert read_prices(Path("niche.yaml")).models["generalist"].machine_per_hour > 0


def test_a_list_price_is_that_of_both_kinds_of_tokens() -> None:
    """Per million."""
    price = ModelPrice(prompt_per_million_tokens=2, completion_per_million_tokens=10)

    assert price.of(500_000, 100_000) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "not YAML"),
        ("models: {a: {price: 2}}", "models.a.price"),
        ("models: {a: {machine_per_hour: -1}}", "models.a.machine_per_hour"),
        ("- a", "file"),
        ("generalist: 3", "niche.yaml"),
        ("generalist: {name: a, engine: fax}", "engine"),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """In one line."""
    with pytest.raises(ComparisonError) as told:
        read_prices(written(tmp_path, text))

    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_an_absent_file_is_told(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(ComparisonError, match=r"none\.yaml: "):
        read_prices(tmp_path / "none.yaml")
