"""The file of the state that gateways are to come to."""

from pathlib import Path

import pytest

from gateway.config_file import load_config, parse_config
from gateway.desired_state import DesiredState

CONFIG = parse_config(
    {
        "generalist": {"name": "big", "model": "m", "engine": "fake", "capabilities": ["tools"]},
        "embeddings": [{"name": "vectors", "model": "m", "engine": "fake"}],
        "gateway": {"shadow": {"path": "evidence.db"}},
    },
    "niche.yaml",
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Every key, and where the pools are."""
    newer = DesiredState(CONFIG, {"model-big": "model-big~2"}, 3)
    newer.write(tmp_path / "desired.json")

    assert DesiredState(CONFIG, {}).or_newer(tmp_path / "desired.json") == newer


REPOSITORY = Path(__file__).parents[2]
CONFIGS = [
    *sorted(REPOSITORY.glob("examples/*.yaml")),
    REPOSITORY / "niche.yaml",
    REPOSITORY / "helm/niche/files/niche.yaml",
]


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.name)
def test_every_configuration_of_ours_is_read_as_it_was(tmp_path: Path, file: Path) -> None:
    config = load_config(file)
    changed = config.model_copy(update={"gateway": config.gateway.model_copy(update={"port": 1})})
    for number, written in enumerate((config, changed), 1):
        DesiredState(written, {}, number).write(tmp_path / "desired.json")

        assert DesiredState(config, {}).or_newer(tmp_path / "desired.json").config == written


@pytest.mark.parametrize("section", ["specialists", "embeddings", "rerankers"])
def test_models_that_the_gateway_asks_itself_are_read_too(tmp_path: Path, section: str) -> None:
    """They have no replicas, so these may not be named."""
    upstream = {"model": "m", "engine": "openai", "engine_options": {"base_url": "http://x/v1"}}
    other = {"name": "other"} | ({"domain": "sql"} if section == "specialists" else {})
    config = parse_config(
        {
            "generalist": upstream | {"name": "big"},
            section: [upstream | other],
            "gateway": {"trusted_proxies": ["10.0.0.0/8"]},
        },
        "niche.yaml",
    )
    DesiredState(config, {}, 1).write(tmp_path / "desired.json")

    assert DesiredState(CONFIG, {}).or_newer(tmp_path / "desired.json").config == config


def test_an_older_state_is_not_taken(tmp_path: Path) -> None:
    """Nor one that is not there: a replica may be started with a newer one."""
    own = DesiredState(CONFIG, {}, 3)
    assert own.or_newer(None) is own
    assert own.or_newer(tmp_path / "desired.json") is own
    DesiredState(CONFIG, {"a": "b"}, 3).write(tmp_path / "desired.json")
    assert own.or_newer(tmp_path / "desired.json") is own
