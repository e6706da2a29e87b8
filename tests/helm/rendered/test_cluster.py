"""The chart on a real kube-apiserver: installed, changed, taken back, removed, by both helms.

Kubernetes 1.20 is what can be built here: it knows no `autoscaling/v2` and no `policy/v1`, and its
definitions of custom kinds are older, so the newer parts of these are left out. There is no
operator and no kubelet: what is tested is what helm and the API server do.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.apiserver import FOLDER, HOW_TO_GET_APISERVER, serving
from tests.helm.documents import CHART
from tests.helm.rendered.charts import VALUES
from tests.helm.rendered.schemas import crds, needs_crds
from tests.helm.tools import KUBECTL, helms

pytestmark = [
    needs_crds,
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("NICHE_CHART_CLUSTER") != "1" or not (FOLDER / "kube-apiserver").is_file(),
        reason=HOW_TO_GET_APISERVER,
    ),
]

KINDS = ("RayService", "HTTPRoute", "PodMonitor", "ServiceMonitor", "PrometheusRule")
SHOWN = "rayservice,configmap,serviceaccount,persistentvolumeclaim,httproute,podmonitor"


@dataclass(frozen=True)
class Cluster:
    """An API server, and the chart without the lower bound of Kubernetes' version."""

    kubeconfig: Path
    chart: Path

    def run(self, *command: str) -> str:
        """What a command said; it must end well."""
        environment = os.environ | {
            "KUBECONFIG": str(self.kubeconfig),
            "HOME": str(self.kubeconfig.parent),
        }
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kubectl(self, *arguments: str) -> str:
        """What kubectl said."""
        return self.run(str(KUBECTL), *arguments)

    def objects(self, namespace: str) -> dict[tuple[str, str], dict[str, Any]]:
        """The chart's objects in a namespace, by kind and name."""
        listed = json.loads(self.kubectl("get", SHOWN, "--namespace", namespace, "-o", "json"))
        return {
            (item["kind"], item["metadata"]["name"]): item
            for item in listed["items"]
            if "helm.sh/chart" in item["metadata"].get("labels", {})
        }


def _older(node: Any) -> Any:
    """A definition without what 1.20 refuses: rules in CEL, keyed lists, empty defaults."""
    if isinstance(node, list):
        return [_older(part) for part in node]
    if not isinstance(node, dict):
        return node
    keyed = node.get("x-kubernetes-list-type") == "map"
    dropped = {"x-kubernetes-validations"}
    dropped |= {"x-kubernetes-list-type", "x-kubernetes-list-map-keys"} if keyed else set()
    return {
        key: _older(part)
        for key, part in node.items()
        if key not in dropped and not (key == "default" and part == "")
    }


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    chart = shutil.copytree(CHART, folder / "niche")
    about = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    del about["kubeVersion"]
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
    with serving(folder) as kubeconfig:
        made = Cluster(kubeconfig, chart)
        for kind in KINDS:
            path = folder / f"{kind}.json"
            crd = _older(yaml.load(crds()[kind], Loader=yaml.CSafeLoader))
            path.write_text(json.dumps(crd), encoding="utf-8")
            made.kubectl("create", "--validate=false", "--filename", str(path))
        for kind in KINDS:
            name = yaml.load(crds()[kind], Loader=yaml.CSafeLoader)["metadata"]["name"]
            made.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=60s")
        yield made


@pytest.mark.timeout(900)
@pytest.mark.parametrize("version", helms())
def test_a_release_lives_and_ends(cluster, version):
    """A release is installed, upgraded, rolled back and uninstalled, and leaves its claim alone."""
    helm, space = str(helms()[version]), f"life-{version.replace('.', '-')}"
    where = ("--namespace", space)
    cached = ("--values", str(VALUES["model-cache"]))

    cluster.run(helm, "install", "trial", str(cluster.chart), *where, "--create-namespace", *cached)
    first = cluster.objects(space)
    more = ("--values", str(VALUES["fake"]), "--values", str(VALUES["http-route"]))
    cluster.run(helm, "upgrade", "trial", str(cluster.chart), *where, *cached, *more)
    second = cluster.objects(space)
    cluster.run(helm, "rollback", "trial", "1", *where)
    third = cluster.objects(space)
    history = json.loads(cluster.run(helm, "history", "trial", *where, "--output", "json"))
    cluster.run(helm, "uninstall", "trial", *where)
    left = cluster.objects(space)

    ray = ("RayService", "trial-niche")
    assert {kind for kind, _ in first} == {
        "RayService",
        "ConfigMap",
        "ServiceAccount",
        "PersistentVolumeClaim",
    }
    assert ("HTTPRoute", "trial-niche") in second
    assert "engine: fake" in second[ray]["spec"]["serveConfigV2"]
    assert set(third) == set(first)
    assert third[ray]["spec"] == first[ray]["spec"] != second[ray]["spec"]
    assert [entry["revision"] for entry in history] == [1, 2, 3]
    assert set(left) == {("PersistentVolumeClaim", "trial-niche-models")}


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "values", ["defaults", "gpu-group", "monitoring", "network-policy", "values-cpu"]
)
def test_the_server_takes_the_objects(cluster, values):
    """The API server accepts every object of a set of values, and keeps the RayService whole."""
    helm, space = str(helms()[list(helms())[-1]]), f"values-{values}"
    command = ("--namespace", space, "--create-namespace", "--values", str(VALUES[values]))

    cluster.run(helm, "install", "trial", str(cluster.chart), *command)
    kept = cluster.objects(space)["RayService", "trial-niche"]["spec"]
    manifest = cluster.run(helm, "get", "manifest", "trial", "--namespace", space)
    cluster.run(helm, "uninstall", "trial", "--namespace", space)

    [sent] = [
        item["spec"]
        for item in yaml.safe_load_all(manifest)
        if item and item["kind"] == "RayService"
    ]
    assert kept["serveConfigV2"] == sent["serveConfigV2"]
    assert _contains(kept["rayClusterConfig"], sent["rayClusterConfig"])
    assert cluster.objects(space) == {}


def _contains(kept: Any, sent: Any) -> bool:
    """Whether everything that was sent is there; the server adds its defaults."""
    if isinstance(sent, dict):
        return all(key in kept and _contains(kept[key], part) for key, part in sent.items())
    if isinstance(sent, list):
        return len(kept) == len(sent) and all(map(_contains, kept, sent))
    return kept == sent
