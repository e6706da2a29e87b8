"""What a gateway replica is made of: the engines of its own process, and their options."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployments.engine import EngineContext
from gateway.config import ConfigError, NicheConfig
from gateway.config_file import parse_config
from gateway.evidence.grading import JUDGE
from gateway.ingress import load_routing, local_engines
from gateway.routing import load_classifier, load_policy

CONTEXT = EngineContext(Path("unused"))
WEIGHTS = {"name": "big", "model": "none", "engine": "fake"}
URL = {"base_url": "http://127.0.0.1:1/v1"}


def config(*specialists: dict[str, Any], judge: dict[str, Any] | None = None) -> NicheConfig:
    shadow = {"path": "evidence.db", "judge": judge} if judge else None
    edge = {"gateway": {"shadow": shadow}} if shadow else {}
    return parse_config({"generalist": WEIGHTS, "specialists": specialists} | edge, "niche.yaml")


def upstream(name: str, **settings: Any) -> dict[str, Any]:
    spec = {"name": name, "domain": "sql", "model": "m", "engine": "openai", "engine_options": URL}
    return spec | settings


def test_the_engines_of_upstreams_and_of_the_judge_are_here() -> None:
    """Models with replicas have theirs elsewhere."""
    asked = config(
        upstream("far"), upstream("apart", deployment="own"), judge=URL | {"model": "wise"}
    )

    assert list(local_engines(asked, CONTEXT)) == ["far", JUDGE]
    assert local_engines(config(), CONTEXT) == {}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        pytest.param({"colour": "red"}, "engine_options.colour", id="unknown"),
        pytest.param({"api_key_env": "NICHE_ABSENT"}, "NICHE_ABSENT", id="no key"),
    ],
)
def test_a_wrong_option_of_an_upstream_stops_the_start(options: dict[str, str], named: str) -> None:
    """The error names the model and the key."""
    wrong = config(upstream("far", engine_options=URL | options))

    with pytest.raises(ConfigError) as refused:
        local_engines(wrong, CONTEXT)

    assert {"'far'", named} <= set(str(refused.value).replace(":", " ").split())


def test_a_judge_without_its_key_stops_the_start() -> None:
    """As a model would."""
    asked = config(judge=URL | {"model": "wise", "api_key_env": "NICHE_ABSENT"})

    with pytest.raises(ConfigError, match="NICHE_ABSENT"):
        local_engines(asked, CONTEXT)


async def test_what_routes_is_loaded_on_another_thread() -> None:
    """The event loop of a gateway reads and verifies no files, at the start neither."""
    loaded: list[Callable[..., object]] = []

    async def in_thread(load: Callable[..., object], *_arguments: object) -> None:
        loaded.append(load)

    await load_routing(config(), CONTEXT.cache_dir, in_thread)

    assert loaded == [load_policy, load_classifier]
