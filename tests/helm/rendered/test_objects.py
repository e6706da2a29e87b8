"""Budgets, scalers, model servers, claims, secrets, notes: each fits what it points at."""

import base64
import json
import re

import pytest

from tests.helm.rendered.charts import (
    NEWEST,
    RELEASE,
    VALUES,
    Rendered,
    changed,
    everywhere,
    rendered,
    run,
)

RAY = ("head", "worker")


def test_budgets_are_numbers():
    """A budget counts pods of one group or server by a whole number: shares need a scale."""
    for values, chart in everywhere():
        for budget in chart.all("PodDisruptionBudget"):
            assert isinstance(budget["spec"]["minAvailable"], int), values
            assert len(chart.selected(budget["spec"]["selector"])) == 1, values


def test_kubernetes_scales_no_pod_of_ray():
    """HPA and KEDA have Deployments for targets, which then say no number of replicas."""
    for values, chart in everywhere():
        deployments = {it["metadata"]["name"]: it for it in chart.all("Deployment")}
        for scaler in (*chart.all("HorizontalPodAutoscaler"), *chart.all("ScaledObject")):
            target = deployments[scaler["spec"]["scaleTargetRef"]["name"]]
            assert "replicas" not in target["spec"], values
            assert target["metadata"]["labels"]["app.kubernetes.io/component"] not in RAY, values


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


def test_a_server_has_room_for_all_its_adapters():
    """In one batch, and for the largest; vLLM's default is one adapter, of rank 16."""
    [server] = rendered("values-gpu-vllm").pods["trial-niche-small"]["spec"]["containers"]

    assert {"--enable-lora", "--max-loras=2", "--max-lora-rank=16"} <= set(server["args"])


def test_adapters_come_from_an_image():
    """An init container copies them to the volume on which the server looks for them."""
    pod = rendered("values-gpu-vllm").pods["trial-niche-small"]["spec"]
    [server], [copies] = pod["containers"], pod["initContainers"]
    folders = {it["name"]: it["mountPath"] for it in server["volumeMounts"]}
    paths = [word.split("=")[1] for word in server["args"] if word.startswith(("sql=", "tools="))]

    assert [it["name"] for it in copies["volumeMounts"]] == ["adapters"]
    assert paths == [f"{folders['adapters']}/sql", f"{folders['adapters']}/tools"]


def test_a_server_without_adapters_copies_none():
    """Nor has it room for any."""
    pod = rendered("values-gpu-vllm").pods["trial-niche-large"]["spec"]
    [server] = pod["containers"]

    assert "initContainers" not in pod
    assert [word for word in server["args"] if "lora" in word] == []


def test_a_service_s_connections_are_not_kept():
    """A kept one leads to a pod that ends; whose URL is the operator's keeps what it says."""
    chart = rendered("values-gpu-vllm")
    own = changed("values-gpu-vllm", "niche.generalist.engine_options.keep_connections=true")

    assert {spec["engine_options"]["keep_connections"] for spec in chart.niche["specialists"]} == {
        False
    }
    assert own.niche["generalist"]["engine_options"]["keep_connections"] is True


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

    lines = chart.one("Secret")["stringData"]["keys"].splitlines()
    assert lines == ["operator a-key-for-trials", "another-key"]
    assert "a-key-for-trials" not in json.dumps(others)
    assert base64.b64encode(b"a-key-for-trials").decode() not in json.dumps(others)


def test_extra_objects_are_filled_in():
    """Objects of the operator's own may use the chart's names."""
    names = {item["metadata"]["name"] for item in rendered("extra").all("ConfigMap")}

    assert {"trial-extra", "trial-niche-text"} <= names


def _notes(values: str, *more: str) -> str:
    """What is shown after an installation."""
    command = ("install", RELEASE, ".", "--dry-run=client", "--values", str(VALUES[values]))
    return run(NEWEST, *command, *more).output.split("NOTES:")[1]


@pytest.mark.parametrize(
    ("values", "changes", "named"),
    [
        ("defaults", (), {"apiKeys.existingSecret", "gcsFaultTolerance.enabled"}),
        ("api-keys", (), {"gcsFaultTolerance.enabled"}),
        ("gcs-fault-tolerance", (), {"apiKeys.existingSecret"}),
        ("state-each", (), {"apiKeys.existingSecret", "gcsFaultTolerance.enabled"}),
        (
            "state-each",
            ("--set", "state.persistence.enabled=false"),
            {"apiKeys.existingSecret", "gcsFaultTolerance.enabled", "state.persistence.enabled"},
        ),
        (
            "state",
            (),
            {"apiKeys.existingSecret", "gcsFaultTolerance.enabled", "state.persistence.oneNode"},
        ),
    ],
    ids=["defaults", "keys", "redis", "state-each", "state-lost", "state-on-one-node"],
)
def test_notes_warn_of_what_is_missing(values, changes, named):
    """A warning names the key that would end it, and only where it is needed."""
    assert set(re.findall(r"\(([\w.]+)\)", _notes(values, *changes))) == named


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
