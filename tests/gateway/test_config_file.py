"""Files that are no whole configuration: what is empty, and what is left beside faults."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import ConfigError
from gateway.config_file import load_for_check, parse_config

GENERALIST = {"name": "big", "model": "m", "engine": "fake"}


@pytest.mark.parametrize(
    "key", ["specialists", "embeddings", "rerankers", "gateway", "router", "observability"]
)
def test_what_has_nothing_below_it_is_as_if_it_was_not_there(key: str) -> None:
    """As where all of its lines are commented out."""
    given = {"generalist": GENERALIST}
    assert parse_config(given | {key: None}, "niche.yaml") == parse_config(given, "niche.yaml")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"generalist": None}, "generalist: required, but missing"),
        (
            {"generalist": GENERALIST, "gateway": {"trusted_proxies": "10.0.0.0/8"}},
            "gateway.trusted_proxies: expected a list, such as [a, b] (value '10.0.0.0/8')",
        ),
        (
            {"generalist": GENERALIST, "gateway": 8000},
            "gateway: expected keys below it (value 8000)",
        ),
    ],
    ids=["required", "no-list", "no-section"],
)
def test_what_was_expected_is_said_in_words_of_the_file(given: Any, line: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_config(given, "niche.yaml")

    assert str(refused.value) == f"niche.yaml: {line}"


@pytest.mark.parametrize(
    ("faulty", "places"),
    [
        pytest.param({"specialists": ["oops", {"name": "s"}]}, {0, 1}, id="a-model"),
        pytest.param(
            {"gateway": {"cors_allow_origins": [1, 2], "shadow": {"path": "a.db"}}},
            {0, 1},
            id="two-of-a-list",
        ),
    ],
)
def test_no_fault_is_told_of_another_place(tmp_path: Path, faulty: Any, places: set[int]) -> None:
    """What is left out, for the others to be found, moves none of these."""
    file = tmp_path / "niche.yaml"
    file.write_text(yaml.safe_dump({"generalist": GENERALIST} | faulty))

    _, lines = load_for_check(file)

    told = [line.partition(": ")[2].partition(": ")[0].split(".") for line in lines]
    assert {int(part) for place in told for part in place if part.isdecimal()} == places
