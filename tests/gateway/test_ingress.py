"""What a gateway replica is made of, for one configuration after another."""

import asyncio
import gc
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray.serve._private import replica as serve_replica

from deployments.engine import EngineContext
from deployments.protocol import TellsExpectedWait, Unavailable
from gateway.config import ConfigError, NicheConfig
from gateway.config_file import parse_config
from gateway.desired_state import DesiredState
from gateway.evidence.grading import JUDGE
from gateway.ingress import Gateway, GatewayContext
from gateway.replica_parts import ReplicaParts
from gateway.routing import load_classifier, load_policy
from tests.fakes import FakeClassifier

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


async def in_memory(load: Callable[..., object], *_arguments: object) -> object:
    """In place of what files hold: a classifier that knows nothing, and no policy."""
    return FakeClassifier({}) if load is load_classifier else None


async def test_a_model_that_leaves_its_pool_can_be_asked_while_an_app_has_it() -> None:
    """That app serves on until the next one is ready, and ends what it began."""
    pooled = {"domain": "sql", "model": "none", "engine": "fake"}
    both = config({"name": "stays", **pooled}, {"name": "leaves", **pooled})
    parts = ReplicaParts(CONTEXT, in_thread=in_memory)
    serving = (await parts.dependencies(DesiredState(both, {}))).backends

    for after in (config({"name": "stays", **pooled}), config({"name": "third", **pooled})):
        await parts.dependencies(DesiredState(after, {}))

        for name in ("stays", "leaves"):
            backend: object = serving[name]
            assert isinstance(backend, TellsExpectedWait)
            assert backend.expected_wait(name) == 0


class Replica:
    """A gateway's replica without Serve, and the file of its state."""

    def __init__(self, folder: Path) -> None:
        self._desired = folder / "desired.json"
        parts = ReplicaParts(CONTEXT, in_thread=in_memory)
        context = GatewayContext(CONTEXT, desired=self._desired)
        self.gateway = Gateway(self._config(), context, parts)

    def _config(self, **edge: Any) -> NicheConfig:
        far = {"name": "big", "model": "m", "engine": "openai", "engine_options": URL}
        return parse_config({"generalist": far, "gateway": edge}, "niche.yaml")

    async def start(self) -> None:
        await self.gateway.__serve_build_asgi_app__()

    def change(self, **edge: Any) -> None:
        """Has it come to another configuration, with its next look."""
        DesiredState(self._config(**edge), {}, 1).write(self._desired)


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Replica]:
    """Not started; what it changes in its process is as before in the end."""
    loggers = [logging.getLogger(name) for name in ("gateway", "deployments")]
    before = [(of, of.handlers, of.level, of.propagate) for of in loggers]
    thresholds, add_port = gc.get_threshold(), serve_replica.add_port_to_grpc_server
    yield Replica(tmp_path)
    serve_replica.add_port_to_grpc_server = add_port
    gc.set_threshold(*thresholds)
    for logger, handlers, level, propagate in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


async def test_a_store_that_is_slow_to_open_keeps_no_request_waiting(
    replica: Replica, tmp_path: Path
) -> None:
    """The loop answers meanwhile, and here it is what opens the file at last."""
    await replica.start()
    path = tmp_path / "responses.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        replica.change(response_store={"path": str(path)})
        changing = asyncio.create_task(replica.gateway.confirm(1))
        await asyncio.sleep(0.1)
        other.execute("COMMIT")

        assert await changing is None


async def test_what_was_opened_for_a_refused_change_is_closed(
    replica: Replica, tmp_path: Path
) -> None:
    """However far it came."""
    await replica.start()
    evidence = {"path": str(tmp_path / "evidence.db")}
    answers = {"path": str(tmp_path / "absent" / "responses.db")}
    replica.change(shadow=evidence, response_store=answers)

    assert "responses.db" in (await replica.gateway.confirm(1) or "")

    paths = [Path(file.path) for file in psutil.Process().open_files()]
    assert [path for path in paths if path.is_relative_to(tmp_path)] == []
