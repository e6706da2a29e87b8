"""The file of the state that gateways are to come to."""

from pathlib import Path

from gateway.config_file import parse_config
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


def test_an_older_state_is_not_taken(tmp_path: Path) -> None:
    """Nor one that is not there: a replica may be started with a newer one."""
    own = DesiredState(CONFIG, {}, 3)
    assert own.or_newer(None) is own
    assert own.or_newer(tmp_path / "desired.json") is own
    DesiredState(CONFIG, {"a": "b"}, 3).write(tmp_path / "desired.json")
    assert own.or_newer(tmp_path / "desired.json") is own
