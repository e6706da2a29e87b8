"""Budgets, scalers, model servers, claims, secrets, notes: each fits what it points at."""

import base64
import json
import re
import tomllib

import pytest
import yaml

from router.types import GENERAL
from tests.helm.charts import NEWEST, RELEASE, VALUES, Rendered, rendered, run
from tests.helm.documents import CHART, ROOT
from tests.helm.marks import needs_helm
from tests.helm.selectors import selected

pytestmark = needs_helm

RAY = ("head", "worker")


def test_versions_are_the_project_s():
    """Ray's version is the one that is installed, the application's that of the package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))

    assert f"ray[serve]=={rendered('defaults').cluster['rayVersion']}" in project["dependencies"]
    assert chart["appVersion"] == project["version"]


def test_domains_are_the_artifact_s():
    """The chart knows the domains that the included artifact knows."""
    path = ROOT / "router" / "artifacts" / "default" / "artifact.json"
    known = set(json.loads(path.read_text(encoding="utf-8"))["classes"]) - {GENERAL}
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))

    assert set(values["routerArtifact"]["domains"]) == known


def test_the_image_has_what_the_operator_runs():
    """KubeRay's probes and start command need bash and wget, and so does the chart's test."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    assert re.search(r"apt-get install .*\bwget\b", dockerfile)
    assert "FROM python:3.11-slim" in dockerfile  # Debian, which has bash


@pytest.mark.parametrize("values", VALUES)
def test_budgets_are_numbers(values):
    """A budget counts pods of one group or server by a whole number: shares need a scale."""
    chart = rendered(values)
    for budget in chart.all("PodDisruptionBudget"):
        assert isinstance(budget["spec"]["minAvailable"], int)
        assert len(selected(chart, budget["spec"]["selector"])) == 1


@pytest.mark.parametrize("values", VALUES)
def test_kubernetes_scales_no_pod_of_ray(values):
    """HPA and KEDA have Deployments for targets, which then say no number of replicas."""
    chart = rendered(values)
    deployments = {it["metadata"]["name"]: it for it in chart.all("Deployment")}
    for scaler in (*chart.all("HorizontalPodAutoscaler"), *chart.all("ScaledObject")):
        target = deployments[scaler["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"]
        assert target["metadata"]["labels"]["app.kubernetes.io/component"] not in RAY


def _served(chart: Rendered, name: str) -> list[str]:
    """The names that a model server answers to: the weights' own, and its adapters'."""
    container = chart.one("Deployment", name)["spec"]["template"]["spec"]["containers"][0]
    return [word.split("=")[0] for word in container["args"] if not word.startswith("--")]


def test_models_find_their_server():
    """A model behind a server gets its URL, and the server answers to the model's name."""
    chart = rendered("values-gpu-vllm")
    services = {it["metadata"]["name"] for it in chart.all("Service")}
    for spec in (chart.niche["generalist"], *chart.niche["specialists"]):
        [host] = re.findall(r"^http://([\w-]+):8000/v1$", spec["engine_options"]["base_url"])
        assert host in services
        assert _served(chart, host).count(spec["model"]) == 1


def test_redis_stands_in_its_options_alone():
    """The password is a reference to a secret, and nothing else mentions Redis."""
    options = rendered("gcs-fault-tolerance").cluster["gcsFaultToleranceOptions"]

    assert options["redisAddress"] == "rediss://redis.state.svc:6379"
    assert options["redisPassword"]["valueFrom"]["secretKeyRef"] == {
        "name": "redis",
        "key": "redis-password",
    }
    assert options["redisUsername"]["valueFrom"]["secretKeyRef"]["key"] == "redis-user"
    assert "gcsFaultToleranceOptions" not in rendered("defaults").cluster


def test_a_claim_outlives_the_release():
    """The claim of the model cache is kept, and workers mount it."""
    chart = rendered("model-cache")
    claim = chart.one("PersistentVolumeClaim")
    volumes = {it["name"]: it for it in chart.groups["cpu"]["template"]["spec"]["volumes"]}

    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert volumes["models"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_keys_of_the_values_are_a_secret():
    """The keys lie in a secret, one per line, and in no other object."""
    chart = rendered("api-keys-inline")
    others = [item for item in chart.objects if item["kind"] != "Secret"]

    assert chart.one("Secret")["stringData"]["keys"].split() == ["a-key-for-trials", "another-key"]
    assert "a-key-for-trials" not in json.dumps(others)
    assert base64.b64encode(b"a-key-for-trials").decode() not in json.dumps(others)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ("artifact-image", "emptyDir"),
        ("artifact-download", "emptyDir"),
        ("artifact-volume", "persistentVolumeClaim"),
        ("artifact-config-map", "configMap"),
    ],
)
def test_the_artifact_has_its_source(values, kind):
    """The gateway's group mounts the artifact from where the values say."""
    spec = rendered(values).groups["cpu"]["template"]["spec"]
    [volume] = [it for it in spec["volumes"] if it["name"] == "router-artifact"]
    copies = [it["name"] for it in spec["initContainers"]].count("router-artifact")

    assert kind in volume
    assert copies == (kind == "emptyDir")


def test_extra_objects_are_filled_in():
    """Objects of the operator's own may use the chart's names."""
    names = {item["metadata"]["name"] for item in rendered("extra").all("ConfigMap")}

    assert {"trial-extra", "trial-niche-text"} <= names


def _notes(values: str, *more: str) -> str:
    """What is shown after an installation."""
    command = ("install", RELEASE, ".", "--dry-run=client", "--values", str(VALUES[values]))
    return run(NEWEST, *command, *more).output.split("NOTES:")[1]


def test_notes_tell_what_is_lost():
    """Who keeps evidence or decisions without a persistent volume is told, and nobody else."""
    lost = "are lost when their pod ends"

    assert lost in _notes("state-each", "--set", "state.persistence.enabled=false")
    assert lost not in _notes("state-each")
    assert lost not in _notes("defaults")
    assert "on one node" in _notes("state")


@pytest.mark.parametrize(
    "values", ["defaults", "ingress", "api-keys", "incremental-upgrade", "load-test"]
)
def test_notes_name_what_exists(values):
    """The commands of the notes name the RayService, its service, its secret and its load test."""
    notes = _notes(values)
    chart = rendered(values)
    loading = {it["metadata"]["name"] for it in chart.all("Job")}

    assert set(re.findall(r"job/([\w-]+)", notes)) == {it for it in loading if it[-2:] != "-w"}

    assert f"kubectl get rayservice {chart.name} -n default" in notes
    services = set(re.findall(r"svc/([\w-]+)", notes))
    assert services <= {chart.service["serveService"]["metadata"]["name"]}
    assert ("niche-keys" in notes) == (values in ("api-keys", "load-test"))
    assert ("trial-niche-gateway" in notes) == (values == "incremental-upgrade")
