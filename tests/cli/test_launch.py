"""What is started for a configuration, without starting it."""

from pathlib import Path
from typing import Any

from cli.launch import LocalStack, cpus_wanted
from deployments.engine import EngineContext
from gateway.config import NicheConfig
from gateway.config_file import parse_config
from gateway.ingress import GATEWAY_APP

UPSTREAM = {"model": "m", "engine": "openai", "engine_options": {"base_url": "http://far/v1"}}


def config(generalist: dict[str, Any], *specialists: dict[str, Any]) -> NicheConfig:
    named = [{"name": f"s{place}", "domain": "sql"} | of for place, of in enumerate(specialists)]
    raw = {"generalist": {"name": "big"} | generalist, "specialists": named}
    return parse_config(raw, "niche.yaml")


def names(stack: NicheConfig, folder: Path) -> list[str | None]:
    launched = LocalStack(stack, EngineContext(folder), folder)
    return [target.name for target in launched.applications()]


def test_a_stack_of_upstreams_is_its_gateway(tmp_path: Path) -> None:
    """There is nothing else to start, and no core to reserve for it."""
    stack = config(UPSTREAM, UPSTREAM)

    assert names(stack, tmp_path) == [GATEWAY_APP]
    assert cpus_wanted(stack) == cpus_wanted(config(UPSTREAM))


def test_models_of_a_pool_are_one_application(tmp_path: Path) -> None:
    """With the cores of one replica."""
    fake = {"model": "m", "engine": "fake", "resources": {"num_cpus": 2}}
    stack = config(fake, fake, fake, fake)

    assert names(stack, tmp_path) == ["model-big", "pool-m", GATEWAY_APP]
    assert cpus_wanted(stack) == cpus_wanted(config(fake)) + 2


def test_the_gateways_replicas_learn_which_file_requests_may_change(tmp_path: Path) -> None:
    """None, unless the stack is told so."""
    stack = config(UPSTREAM)

    for followed in (None, tmp_path / "niche.yaml"):
        launched = LocalStack(stack, EngineContext(tmp_path), tmp_path, followed)
        [gateway] = launched.applications()
        _, context = gateway.target._bound_deployment.init_args
        assert context.followed == followed


def test_a_model_with_replicas_is_an_application(tmp_path: Path) -> None:
    """Weights always are, an upstream where the operator wants it."""
    apart = UPSTREAM | {"deployment": "own", "resources": {"num_cpus": 3}}
    stack = config({"model": "m", "engine": "fake"}, UPSTREAM, apart)

    assert names(stack, tmp_path) == ["model-big", "model-s1", GATEWAY_APP]
    assert cpus_wanted(stack) == cpus_wanted(config({"model": "m", "engine": "fake"})) + 3
