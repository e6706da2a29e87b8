"""The pods: who may do what, what they mount, and what makes a new Ray cluster."""

from collections.abc import Iterator
from typing import Any

import pytest

from cli.ray_environment import ray_environment
from tests.helm.charts import NEWEST, RELEASE, VALUES, Rendered, load_all, rendered, run
from tests.helm.documents import ROOT
from tests.helm.marks import needs_helm

pytestmark = needs_helm

OF_ONE_MACHINE = {
    "RAY_AUTH_MODE",  # the operator sets it
    "RAY_SERVE_LOG_TO_STDERR",  # a terminal shows the stack's answers, and no log
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S",  # it may be busy; a pod has its CPU to itself
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S",  # nobody waits for Ctrl-C here
    "RAY_SERVE_HAPROXY_NBTHREAD",
    "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC",
    "RAY_SERVE_HAPROXY_SOCKET_PATH",
    "RAY_SERVE_HAPROXY_SERVER_STATE_BASE",
    "RAY_SERVE_HAPROXY_SERVER_STATE_FILE",
    "RAY_SERVE_HAPROXY_STATS_PORT",
    "RAY_SERVE_HAPROXY_METRICS_PORT",
    "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT",
}
TOKEN = "service-account-token"


def _containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]


def _own(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """The containers that the chart makes, not the values' extra ones."""
    return [it for it in _containers(pod) if it["name"] not in ("wait", "logs")]


def _environment(container: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value") for entry in container.get("env", [])}


def _with(*changes: str, values: str = "defaults") -> Rendered:
    """A set of values with changes, as `--set` takes them."""
    sets = [part for change in changes for part in ("--set", change)]
    outcome = run(NEWEST, "template", RELEASE, ".", "--values", str(VALUES[values]), *sets)
    assert outcome.code == 0, outcome.errors
    return Rendered(tuple(load_all(outcome.output)))


@pytest.mark.parametrize("values", VALUES)
def test_pods_are_restricted(values):
    """Every pod keeps Kubernetes' restricted standard, and its root is read-only."""
    for name, pod in rendered(values).pods():
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"], name
        assert context["seccompProfile"]["type"] == "RuntimeDefault", name
        for container in _own(pod):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, (name, container["name"])
            assert own["readOnlyRootFilesystem"], (name, container["name"])
            assert own["capabilities"] == {"drop": ["ALL"]}, (name, container["name"])


@pytest.mark.parametrize("values", VALUES)
def test_no_pod_gets_a_token(values):
    """No container has the service account's token but the autoscaler's."""
    chart = rendered(values)
    for name, pod in chart.pods():
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        mounts = [m["name"] for it in _containers(pod) for m in it.get("volumeMounts", [])]
        assert TOKEN not in mounts, name
    scales = chart.cluster["enableInTreeAutoscaling"]
    options = chart.cluster.get("autoscalerOptions", {})

    assert scales == (TOKEN in [mount["name"] for mount in options.get("volumeMounts", [])])
    assert scales == (TOKEN in [volume["name"] for volume in chart.head["spec"]["volumes"]])


@pytest.mark.parametrize("values", VALUES)
def test_mounts_have_volumes(values):
    """Every mount names a volume of its pod, no path is mounted twice, no volume unused."""
    chart = rendered(values)
    for name, pod in chart.pods():
        volumes = {volume["name"] for volume in pod["spec"].get("volumes", [])}
        mounted = {TOKEN} if TOKEN in volumes else set()
        for container in _containers(pod):
            paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            assert len(paths) == len(set(paths)), name
            mounted |= {mount["name"] for mount in container.get("volumeMounts", [])}
        assert mounted == volumes, name


@pytest.mark.parametrize("values", VALUES)
def test_ray_s_container_is_the_first(values):
    """KubeRay takes the first container for Ray's, and it may stop in order."""
    chart = rendered(values)
    for pod in (chart.head, *(group["template"] for group in chart.groups.values())):
        first = pod["spec"]["containers"][0]
        assert first["name"].startswith("ray-")
        assert first["lifecycle"]["preStop"]["exec"]["command"][-1] == "ray stop"
        assert "command" not in first  # the operator writes it


@pytest.mark.parametrize("values", VALUES)
def test_the_head_computes_nothing(values):
    """Ray may place no replica on the head, and it takes no requests."""
    chart = rendered(values)
    parameters = chart.cluster["headGroupSpec"]["rayStartParams"]

    assert (parameters["num-cpus"], parameters["num-gpus"]) == ("0", "0")
    assert chart.service["excludeHeadPodFromServeSvc"] is True


@pytest.mark.parametrize("values", VALUES)
def test_limits_equal_requests(values):
    """Ray's pods get what they promise to Ray."""
    chart = rendered(values)
    for pod in (chart.head, *(group["template"] for group in chart.groups.values())):
        resources = pod["spec"]["containers"][0]["resources"]
        assert resources["limits"] == resources["requests"]


def test_ray_has_the_environment_of_one_machine():
    """What `niche serve` sets for Ray, the chart sets too, but for what is one machine's."""
    wanted = ray_environment(ROOT, {})
    wanted = {key: value for key, value in wanted.items() if key not in OF_ONE_MACHINE}
    chart = rendered("defaults")

    for pod in (chart.head, chart.groups["cpu"]["template"]):
        assert wanted.items() <= _environment(pod["spec"]["containers"][0]).items()


def test_processes_agree_on_authentication():
    """The operator sets the mode of tokens; without tokens, every process is told so."""
    assert rendered("defaults").cluster["authOptions"] == {"mode": "token"}
    assert rendered("identity").cluster["authOptions"]["secretName"] == "ray-token"
    chart = rendered("extra")

    assert chart.cluster["authOptions"] == {"mode": "disabled"}
    for pod in (chart.head, chart.groups["cpu"]["template"]):
        assert _environment(pod["spec"]["containers"][0])["RAY_AUTH_MODE"] == "disabled"


def test_a_gpu_group_reaches_its_nodes():
    """A group with GPUs asks for them, tolerates their taint, and has its own everything."""
    group = rendered("gpu-group").groups["gpu"]
    spec = group["template"]["spec"]
    [container] = spec["containers"]

    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert container["image"] == "niche-cuda:0.1.0"
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in spec[
        "tolerations"
    ]
    assert spec["tolerations"][0]["key"] == "dedicated"
    assert spec["runtimeClassName"] == "nvidia"
    assert spec["nodeSelector"] == {"cloud.example/accelerator": "l4"}
    [shared] = [volume for volume in spec["volumes"] if volume["name"] == "shm"]
    assert shared["emptyDir"] == {"medium": "Memory", "sizeLimit": "8Gi"}
    assert (group["minReplicas"], group["maxReplicas"]) == (0, 5)
    assert (group["idleTimeoutSeconds"], group["priority"]) == (900, 10)


def test_a_cpu_group_asks_for_no_gpu():
    """A group without GPUs neither asks for them nor tolerates their taint."""
    spec = rendered("gpu-group").groups["cpu"]["template"]["spec"]

    assert "tolerations" not in spec
    assert set(spec["containers"][0]["resources"]["limits"]) == {"cpu", "memory"}


def test_only_the_edge_has_the_keys():
    """API keys, the artifact and the exporter are in the gateway's group alone."""
    chart = _with("apiKeys.existingSecret=keys", values="gpu-group")
    volumes = {
        name: {volume["name"] for volume in group["template"]["spec"]["volumes"]}
        for name, group in chart.groups.items()
    }

    assert {"api-keys", "gateway-metrics"} <= volumes["cpu"]
    assert {"api-keys", "gateway-metrics"}.isdisjoint(volumes["gpu"])


def test_the_classifier_has_its_artifact():
    """A classifier of its own finds the artifact and shows its metrics on its group's pods."""
    group = rendered("classifier").groups["small-gpu"]["template"]["spec"]

    assert "gateway-metrics" in {volume["name"] for volume in group["volumes"]}


@pytest.mark.parametrize(
    ("values", "pulls"),
    [("defaults", True), ("model-cache-offline", False), ("values-gpu-vllm", True)],
)
def test_model_files_come_first(values, pulls):
    """Workers get the files that the configuration names, unless that is switched off."""
    for group in rendered(values).groups.values():
        initial = [it["name"] for it in group["template"]["spec"].get("initContainers", [])]
        assert ("pull-models" in initial) == pulls


@pytest.mark.parametrize(
    "change",
    [
        "niche.specialists[1].replicas=3",
        "niche.specialists[1].limits.max_queued_requests=9",
        "niche.generalist.price.machine_per_hour=1",
        "niche.gateway.max_body_bytes=1000",
        "workerGroups.cpu.maxReplicas=6",
    ],
)
def test_a_change_of_the_configuration_keeps_the_cluster(change):
    """Pods stay as they are, so that the change reaches the running cluster."""
    before, after = rendered("fake"), _with(change, values="fake")

    assert after.head == before.head
    assert after.groups["cpu"]["template"] == before.groups["cpu"]["template"]
    assert after.objects != before.objects


@pytest.mark.parametrize(
    "change",
    [
        "image.tag=v9",
        "routerArtifact.revision=v2",
        "niche.generalist.model=another",
        "apiKeys.values={a-key-for-trials}",
    ],
)
def test_a_change_that_needs_new_pods_makes_them(change):
    """What a running pod would not notice changes the pods of the gateway."""
    before, after = rendered("fake"), _with(change, values="fake")

    assert after.groups["cpu"]["template"] != before.groups["cpu"]["template"]


def test_another_revision_of_keys_makes_new_pods():
    """Keys that changed behind the same secret reach the gateway by their revision."""
    before, after = rendered("api-keys"), _with("apiKeys.revision=third", values="api-keys")

    assert after.groups["cpu"]["template"] != before.groups["cpu"]["template"]
