"""Renders the chart with the real helm: each set of values once per helm, several at a time."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.helm.documents import CHART
from tests.helm.tools import helms

VALUES = {
    path.stem.removesuffix("-values"): path
    for path in (
        *sorted((CHART / "ci").glob("*-values.yaml")),
        *sorted(CHART.glob("values-*.yaml")),
    )
}
"""The matrix: every file of `ci/`, and the examples, by name."""

NEWEST = next(reversed(helms()), "")
"""The newest helm that is here; empty where there is none."""

RELEASE = "trial"
_WORKERS = 4  # a render waits more than it computes


@dataclass(frozen=True)
class Outcome:
    """How a helm command ended."""

    code: int
    output: str
    errors: str


@dataclass(frozen=True)
class Rendered:
    """The objects of one set of values."""

    objects: tuple[dict[str, Any], ...] = field(repr=False)

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Those of a kind."""
        return [item for item in self.objects if item["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> dict[str, Any]:
        """The only one of a kind, or of a kind and a name."""
        [found] = [
            item for item in self.all(kind) if name is None or item["metadata"]["name"] == name
        ]
        return found

    @property
    def service(self) -> dict[str, Any]:
        """The spec of the RayService."""
        return self.one("RayService")["spec"]

    @property
    def cluster(self) -> dict[str, Any]:
        """The spec of its Ray cluster."""
        return self.service["rayClusterConfig"]

    @property
    def serve_config(self) -> dict[str, Any]:
        """Its Serve configuration."""
        return yaml.safe_load(self.service["serveConfigV2"])

    @property
    def niche(self) -> dict[str, Any]:
        """Its `niche.yaml`."""
        return yaml.safe_load(self.one("ConfigMap", self.name)["data"]["niche.yaml"])

    @property
    def name(self) -> str:
        """The name of the RayService."""
        return self.one("RayService")["metadata"]["name"]

    @property
    def head(self) -> dict[str, Any]:
        """The pod template of the head."""
        return self.cluster["headGroupSpec"]["template"]

    @property
    def groups(self) -> dict[str, dict[str, Any]]:
        """The worker groups by name."""
        return {group["groupName"]: group for group in self.cluster["workerGroupSpecs"]}

    def pods(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every pod that the chart describes: where, and its metadata and spec."""
        yield "head", self.head
        yield from ((name, group["template"]) for name, group in self.groups.items())
        for item in (*self.all("Deployment"), *self.all("Job")):
            yield item["metadata"]["name"], item["spec"]["template"]
        yield from ((item["metadata"]["name"], item) for item in self.all("Pod"))


def load_all(text: str) -> list[dict[str, Any]]:
    """The objects of a stream of YAML."""
    return [item for item in yaml.load_all(text, Loader=yaml.CSafeLoader) if item]


def run(helm: str, *arguments: str) -> Outcome:
    """Runs a command of a helm, by its version."""
    done = subprocess.run(
        [str(helms()[helm]), *arguments], capture_output=True, text=True, check=False, cwd=CHART
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def run_all(commands: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], Outcome]:
    """Runs commands, each a helm's version and arguments, and returns how they ended."""
    wanted = list(commands)
    with ThreadPoolExecutor(_WORKERS) as pool:
        return dict(zip(wanted, pool.map(lambda command: run(*command), wanted), strict=True))


def template(helm: str, values: str) -> tuple[str, ...]:
    """The command that renders a set of values."""
    return (helm, "template", RELEASE, ".", "--values", str(VALUES[values]))


def lint(helm: str, values: str) -> tuple[str, ...]:
    """The command that lints with a set of values."""
    return (helm, "lint", "--strict", ".", "--values", str(VALUES[values]))


@cache
def matrix() -> dict[tuple[str, ...], Outcome]:
    """Every helm's `lint` and `template` of every set of values."""
    return run_all(
        make(helm, values) for helm in helms() for values in VALUES for make in (lint, template)
    )


@cache
def rendered(values: str, helm: str = NEWEST) -> Rendered:
    """A set of values as a helm renders it."""
    outcome = matrix()[template(helm, values)]
    assert outcome.code == 0, outcome.errors
    return Rendered(tuple(load_all(outcome.output)))


def values_of(text: str, folder: Path) -> str:
    """A file of values with that content; returns its path."""
    path = folder / f"{re.sub(r'[^a-z]+', '-', text.lower())[:40]}.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)
