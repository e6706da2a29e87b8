"""A change that fails is undone; here Serve is a script, and only notes what it is told."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.serve.schema import ApplicationStatus

from cli.launch import LocalStack
from deployments.engine import EngineContext
from gateway.config import LaunchError, NicheConfig
from gateway.config_file import parse_config
from gateway.ingress import GATEWAY_APP

BIG = {"name": "big", "model": "m", "engine": "fake"}
ADDED = {"name": "sql", "domain": "sql", "model": "other", "engine": "fake"}
NEW = "pool-other"
"""The application of what is added."""


class ScriptedServe:
    """Serve, as far as a stack on this machine uses it.

    Args:
        verdicts: what the gateway's replicas say to one `confirm` after another.
        broken: the applications that cannot be deployed.
        desired: the file of the gateway's desired state.
    """

    def __init__(self, verdicts: Sequence[list[str | None]], broken: set[str], desired: Path):
        self._verdicts, self._broken, self._desired = iter(verdicts), broken, desired
        self.notes: list[str] = []
        self.served: list[int] = []

    def run_many(self, targets: Sequence[Any], **_options: object) -> None:
        self.notes += [f"run {target.name}" for target in targets]

    def status(self) -> Any:
        failed, running = ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.RUNNING
        states = {name: failed if name in self._broken else running for name in (NEW, GATEWAY_APP)}
        found = {name: SimpleNamespace(status=of, deployments={}) for name, of in states.items()}
        return SimpleNamespace(applications=found)

    def get_deployment_handle(self, *_names: str, **_options: str) -> Any:
        return SimpleNamespace(broadcast=self._broadcast)

    def _broadcast(self, method: str, *_arguments: int) -> Any:
        self.notes.append(method)
        if method == "confirm":
            self.served.append(len(json.loads(self._desired.read_text())["config"]["specialists"]))
        said = next(self._verdicts) if method == "confirm" else []
        return SimpleNamespace(results=lambda **_: said)

    def delete(self, app: str, **_options: bool) -> None:
        self.notes.append(f"end {app}")


def config(*specialists: dict[str, Any]) -> NicheConfig:
    return parse_config({"generalist": BIG, "specialists": specialists}, "niche.yaml")


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ScriptedServe]:
    """Adds a pool to a stack, which fails; returns what Serve was told."""

    def change(*verdicts: list[str | None], broken: tuple[str, ...] = ()) -> ScriptedServe:
        serve = ScriptedServe(verdicts, {*broken}, tmp_path / "desired.json")
        monkeypatch.setattr("cli.launch.serve", serve)
        for resources in ("cluster_resources", "available_resources"):
            monkeypatch.setattr(f"cli.launch.ray.{resources}", dict)
        stack = LocalStack(config(), EngineContext(tmp_path), tmp_path / "metrics")
        with pytest.raises(LaunchError):
            stack.apply(config(ADDED))
        return serve

    return change


def test_a_pool_that_was_added_ends_when_no_gateway_asks_it(
    refused: Callable[..., ScriptedServe],
) -> None:
    """Some replicas of the gateway had come to the change when one refused it."""
    serve = refused([None, "no"], [None, None])

    assert serve.served == [1, 0]
    assert serve.notes == [f"run {NEW}", "confirm", "confirm", "drained", f"end {NEW}"]


def test_gateways_that_do_not_come_back_are_replaced(
    refused: Callable[..., ScriptedServe],
) -> None:
    """One would serve the change on, and ask a pool that ends."""
    serve = refused(["no"], ["no"])

    assert serve.notes[3:] == [f"run {GATEWAY_APP}", "drained", f"end {NEW}"]


def test_a_pool_that_does_not_start_ends_at_once(refused: Callable[..., ScriptedServe]) -> None:
    """No gateway knows of it."""
    serve = refused(broken=(NEW,))

    assert serve.notes == [f"run {NEW}", f"end {NEW}"]
