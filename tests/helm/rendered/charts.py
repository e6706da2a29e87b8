"""Renders the chart with the real helm: each set of values once per helm, several at a time."""

import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
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
"""Every file of `ci/`, and the examples, by name."""

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
        return _load(self.service["serveConfigV2"])

    @property
    def niche(self) -> dict[str, Any]:
        """Its `niche.yaml`."""
        return _load(self.one("ConfigMap", self.name)["data"]["niche.yaml"])

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

    @property
    def ray_pods(self) -> dict[str, dict[str, Any]]:
        """The pod templates of the Ray cluster: the head's, and each worker group's by its name."""
        return {"head": self.head} | {name: it["template"] for name, it in self.groups.items()}

    @property
    def pods(self) -> dict[str, dict[str, Any]]:
        """Every pod that the chart describes, by template or object name."""
        owners = (*self.all("Deployment"), *self.all("Job"))
        return (
            self.ray_pods
            | {item["metadata"]["name"]: item["spec"]["template"] for item in owners}
            | {item["metadata"]["name"]: item for item in self.all("Pod")}
        )

    def selected(self, selector: dict[str, Any]) -> set[str]:
        """The pods that a label selector matches; the operator labels worker pods by group."""
        found = set()
        for name, pod in self.pods.items():
            labels = pod["metadata"]["labels"]
            labels = labels | ({"ray.io/group": name} if name in self.groups else {})
            if selector.get("matchLabels", {}).items() <= labels.items() and all(
                labels.get(rule["key"]) in rule["values"]
                for rule in selector.get("matchExpressions", [])
            ):
                found.add(name)
        return found

    def ports(self, pod: str) -> dict[str, int]:
        """The container ports of a pod, by name."""
        return {
            port["name"]: port["containerPort"]
            for container in containers(self.pods[pod])
            for port in container.get("ports", [])
        }


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """The containers of a pod, the init containers first."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def _load(text: str) -> dict[str, Any]:
    return yaml.load(text, Loader=yaml.CSafeLoader)


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


def template(helm: str, values: str, *changes: str) -> tuple[str, ...]:
    """The command that renders a set of values with changes, each as `--set-json` takes it."""
    sets = [part for change in changes for part in ("--set-json", change)]
    return (helm, "template", RELEASE, ".", "--values", str(VALUES[values]), *sets)


@cache
def _matrix() -> dict[tuple[str, ...], Outcome]:
    return run_all(template(helm, values) for helm in helms() for values in VALUES)


@cache
def rendered(values: str, helm: str = NEWEST) -> Rendered:
    """A set of values as a helm renders it."""
    return objects_of(_matrix()[template(helm, values)])


def changed(values: str, *changes: str) -> Rendered:
    """A set of values with changes, as the newest helm renders it."""
    return objects_of(run(*template(NEWEST, values, *changes)))


def everywhere() -> Iterator[tuple[str, Rendered]]:
    """Every set of values by name, as the newest helm renders it."""
    return ((values, rendered(values)) for values in VALUES)


def objects_of(outcome: Outcome) -> Rendered:
    """What a helm rendered."""
    assert outcome.code == 0, outcome.errors
    documents = yaml.load_all(outcome.output, Loader=yaml.CSafeLoader)
    return Rendered(tuple(item for item in documents if item))
