"""What a gateway replica is made of, for one configuration after another."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployments.engine import EngineContext
from deployments.protocol import Unavailable
from gateway.config import ConfigError, NicheConfig
from gateway.config_file import parse_config
from gateway.evidence.grading import JUDGE
from gateway.replica_parts import ReplicaParts
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

    assert list(ReplicaParts(CONTEXT).upstreams(asked)[0]) == ["far", JUDGE]
    assert ReplicaParts(CONTEXT).upstreams(config()) == ({}, {})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        pytest.param({"colour": "red"}, "engine_options.colour", id="unknown"),
        pytest.param({"api_key_env": "NICHE_ABSENT"}, "NICHE_ABSENT", id="no key"),
    ],
)
async def test_an_upstream_that_cannot_be_asked_is_absent(
    options: dict[str, str], named: str
) -> None:
    """The others are served, and its reason names the key."""
    wrong = config(upstream("far", engine_options=URL | options), upstream("near"))

    engines, backends = ReplicaParts(CONTEXT).upstreams(wrong)

    assert list(engines) == ["near"]
    with pytest.raises(Unavailable, match=named):
        await backends["far"].health("far")


def test_what_does_not_change_is_kept() -> None:
    """An engine has its connections; other limits need no other one, another address does."""
    parts = ReplicaParts(CONTEXT)
    engines, backends = parts.upstreams(config(upstream("far")))
    limited = upstream("far", limits={"max_ongoing_requests": 3}, price={"machine_per_hour": 2})

    assert parts.upstreams(config(upstream("far", domain="math"))) == (engines, backends)
    same, others = parts.upstreams(config(limited))
    assert same == engines
    assert others != backends
    moved = {"base_url": "http://127.0.0.1:2/v1"}
    assert parts.upstreams(config(upstream("far", engine_options=moved)))[0] != engines


@pytest.mark.parametrize(
    "between",
    [
        pytest.param((), id="left out"),
        pytest.param((upstream("far", engine_options={"colour": "red"}),), id="absent"),
    ],
)
def test_what_one_configuration_lacked_is_new_in_the_next(
    between: tuple[dict[str, Any], ...],
) -> None:
    """An engine that no configuration has stops, and cannot be started again: neither an
    upstream's nor the judge's."""
    parts, asked = ReplicaParts(CONTEXT), config(upstream("far"), judge=URL | {"model": "wise"})
    before, backends_before = parts.upstreams(asked)
    parts.upstreams(config(*between))

    after, backends = parts.upstreams(asked)

    assert all(after[name] is not before[name] for name in ("far", JUDGE))
    assert backends["far"] is not backends_before["far"]


def test_a_judge_without_its_key_stops_the_start() -> None:
    """As a model would."""
    asked = config(judge=URL | {"model": "wise", "api_key_env": "NICHE_ABSENT"})

    with pytest.raises(ConfigError, match="NICHE_ABSENT"):
        ReplicaParts(CONTEXT).upstreams(asked)


async def test_what_routes_is_loaded_on_another_thread() -> None:
    """The event loop of a gateway reads and verifies no files, at the start neither."""
    loaded: list[Callable[..., object]] = []

    async def in_thread(load: Callable[..., object], *_arguments: object) -> None:
        loaded.append(load)

    parts = ReplicaParts(CONTEXT, in_thread=in_thread)
    await parts.routing(config())
    await parts.routing(config())

    # Thresholds may differ: the policy is another. The encoder is not.
    assert loaded == [load_policy, load_classifier, load_policy]
