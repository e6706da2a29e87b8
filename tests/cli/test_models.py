"""`niche models pull`: the encoder is converted as its artifact needs it, and verified."""

import json
from pathlib import Path

import pytest
import yaml

from cli.main import main
from cli.models import needed
from gateway.config_file import parse_config
from lab.routing.train import TrainConfig, train
from router.config import RouterConfig
from router.encoders.encoder import Encoder
from tests.router.encoders.minilm import minilm
from tests.router.fakes import toy_rows

ENCODER = RouterConfig().encoder


@pytest.fixture
def stack(tmp_path: Path) -> tuple[str, Path]:
    """A configuration whose artifact was trained on this machine, and the artifact."""
    path, cache = minilm()
    artifact = tmp_path / "artifact"
    settings = TrainConfig(sub_clusters=(1,), near_duplicate=1.01)
    train(toy_rows(40), Encoder(path, cache), artifact, settings)
    config = tmp_path / "niche.yaml"
    model = {"name": "big", "model": "tiny", "engine": "fake"}
    config.write_text(yaml.safe_dump({"generalist": model, "router": {"artifact": str(artifact)}}))
    return str(config), artifact


@pytest.mark.slow
def test_the_pulled_encoder_is_verified_with_the_artifact(
    capsys: pytest.CaptureFixture[str], stack: tuple[str, Path]
) -> None:
    """It decides as in training; where it does not, pulling fails and names the remedy."""
    config, artifact = stack
    file = artifact / "artifact.json"
    fields = json.loads(file.read_text())
    count = len(fields["verification"])

    assert main(["models", "pull", "--config", config]) == 0

    assert f"{count} of {count}" in capsys.readouterr().out

    for prompt in fields["verification"]:
        prompt["domain"] = "tools" if prompt["domain"] == "sql" else "sql"
    file.write_text(json.dumps(fields))
    assert main(["models", "pull", "--config", config]) == 2
    said = capsys.readouterr().err
    assert f"{count} of {count}" in said
    assert "niche models pull --verify" in said


@pytest.mark.parametrize("engine", ["llama", "vllm"])
def test_the_encoder_and_the_models_of_the_lock_file_are_needed(engine: str) -> None:
    """Each once, whatever the engine; a model of one's own is not pulled."""
    base = "smollm2-135m-instruct"
    config = {
        "generalist": {"name": "big", "model": "./mine", "engine": engine},
        "specialists": [
            {"name": name, "model": base, "engine": engine, "domain": name, "adapter": name}
            for name in ("sql", "tools")
        ],
    }

    assert needed(parse_config(config, "stack")) == (ENCODER, base)
