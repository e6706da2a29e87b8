"""What is measured."""

from pathlib import Path

import pytest
import yaml

from cli.options import check_engines
from gateway.config_file import load_config
from loadtests.bench.stacks import (
    DOMAINS,
    LiteLLM,
    Niche,
    RayServe,
    Workspace,
    litellm_version,
    our_stacks,
    ray_environment,
    select,
)
from loadtests.bench.upstream import STREAM_TOKENS
from loadtests.traffic.client import Server
from loadtests.traffic.errors import LoadTestError


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, tmp_path / "logs", "sk-secret", Server("http://127.0.0.1:9009"))


@pytest.mark.parametrize("stack", our_stacks(), ids=lambda stack: stack.name)
def test_our_configurations_are_valid(stack: Niche, workspace: Workspace) -> None:
    """One gateway process, keys, and a model for each domain of the default router."""
    path, keys = workspace.folder / "niche.yaml", workspace.folder / "keys.txt"
    path.write_text(yaml.safe_dump(stack.config(workspace, keys)))

    config = load_config(path)

    assert config.gateway.replicas == 1
    assert config.gateway.api_keys_file == str(keys)
    assert {spec.domain for spec in config.specialists} == set(DOMAINS)
    check_engines(config.models)


def test_the_fake_engine_has_a_stream_s_worth_of_words(workspace: Workspace) -> None:
    """So that its streams are as long as the upstream's."""
    for stack in our_stacks():
        options = stack.config(workspace, Path("keys"))["generalist"]["engine_options"]
        if stack.engine == "fake":
            assert len(options["reply"].split()) == STREAM_TOKENS


def test_all_of_ray_has_the_same_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the shell has; and no other cluster is joined."""
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")

    environment = ray_environment()

    assert environment["RAY_AUTH_MODE"] == "token"
    assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert "RAY_ADDRESS" not in environment


def test_litellm_that_is_not_there_is_named(tmp_path: Path, workspace: Workspace) -> None:
    """With the command that installs it."""
    assert litellm_version(tmp_path) is None
    with pytest.raises(LoadTestError, match="bench-tools"), LiteLLM(tmp_path).start(workspace):
        pytest.fail("it does not run")


def test_another_version_of_litellm_is_refused(tmp_path: Path, workspace: Workspace) -> None:
    """Such as one that was withdrawn."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho 1.107.0\n")
    python.chmod(0o755)

    with pytest.raises(LoadTestError, match=r"1\.107\.0"), LiteLLM(tmp_path).start(workspace):
        pytest.fail("it does not run")


def test_the_key_of_litellm_is_required(tmp_path: Path, workspace: Workspace) -> None:
    """And it forwards to the upstream."""
    config = LiteLLM(tmp_path).config(workspace)

    assert config["general_settings"]["master_key"] == workspace.key
    [model] = config["model_list"]
    assert model["litellm_params"]["api_base"] == "http://127.0.0.1:9009/v1"


def test_arms_are_selected_by_name() -> None:
    """A stack stays with the arms that are named, and one without arms by its own name."""
    stacks = (*our_stacks(), LiteLLM(Path("none")), RayServe())

    kept = select(stacks, ["fake-auto", "ray-serve"])

    assert [(of.name, [arm.name for arm in of.arms]) for of in kept] == [
        ("fake", ["fake-auto"]),
        ("fake-paced", ["fake-auto"]),
        ("ray-serve", []),
    ]


def test_an_unknown_name_is_an_error() -> None:
    """It lists those that are known."""
    with pytest.raises(LoadTestError, match="proxy-auto"):
        select(our_stacks(), ["proxy"])
