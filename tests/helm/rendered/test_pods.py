"""The pods: what they may do, what they mount, and what makes a new Ray cluster."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import _get_ray_resources_from_group_spec

from cli.ray_environment import ray_environment
from gateway.config import GatewaySection
from gateway.config_file import parse_config
from gateway.edge.settings import DoorSettings
from tests.helm.documents import ROOT
from tests.helm.rendered.charts import changed, containers, everywhere, rendered

OF_ONE_MACHINE = {
    "RAY_AUTH_MODE",  # the operator sets it
    "RAY_AUTH_TOKEN_PATH",  # and makes the token a Secret
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER",  # pods reach each other
    "RAY_SERVE_LOG_TO_STDERR",  # a terminal shows the stack's answers, and no log
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S",  # it may be busy; a pod has its CPU to itself
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S",  # nobody waits for Ctrl-C here
    "RAY_SERVE_HAPROXY_NBTHREAD",
    "RAY_SERVE_HAPROXY_BINARY_PATH",  # the image sets it
    "NICHE_EDGE",  # has a host, and no probes
    "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC",
    "RAY_SERVE_HAPROXY_SOCKET_PATH",
    "RAY_SERVE_HAPROXY_SERVER_STATE_BASE",
    "RAY_SERVE_HAPROXY_SERVER_STATE_FILE",
    "RAY_SERVE_HAPROXY_STATS_PORT",
    "RAY_SERVE_HAPROXY_METRICS_PORT",
    "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH",
    "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT",
}
TOKEN = "service-account-token"


def _environment(container):
    return {entry["name"]: entry.get("value") for entry in container.get("env", [])}


def _initial(chart, group):
    """The names of a group's init containers, in their order."""
    spec = chart.ray_pods[group]["spec"]
    return [container["name"] for container in spec.get("initContainers", [])]


def _volumes(chart, group):
    return {volume["name"]: volume for volume in chart.ray_pods[group]["spec"]["volumes"]}


def test_pods_are_restricted():
    """Every pod meets Kubernetes' restricted standard, and its root file system is read-only."""
    of_values = ("wait", "logs")  # containers of ci/extra-values.yaml
    for values, chart in everywhere():
        for name, pod in chart.pods.items():
            context = pod["spec"]["securityContext"]
            assert context["runAsNonRoot"], (values, name)
            assert context["seccompProfile"]["type"] == "RuntimeDefault", (values, name)
            for container in containers(pod):
                own = container.get("securityContext")
                assert container["name"] in of_values or own == {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }, (values, name, container["name"])


def test_no_pod_gets_a_token():
    """No container has the service account's token but the autoscaler's."""
    for values, chart in everywhere():
        for name, pod in chart.pods.items():
            mounts = [it["name"] for part in containers(pod) for it in part.get("volumeMounts", [])]
            assert pod["spec"]["automountServiceAccountToken"] is False, (values, name)
            assert TOKEN not in mounts, (values, name)
        scales = chart.cluster["enableInTreeAutoscaling"]
        mounts = chart.cluster.get("autoscalerOptions", {}).get("volumeMounts", [])
        assert scales == (TOKEN in [mount["name"] for mount in mounts]), values
        assert scales == (TOKEN in _volumes(chart, "head")), values


def test_mounts_have_volumes():
    """Every mount names a volume of its pod, no path is mounted twice, no volume unused."""
    for values, chart in everywhere():
        for name, pod in chart.pods.items():
            mounted = set()
            for container in containers(pod):
                mounts = container.get("volumeMounts", [])
                assert len({it["mountPath"] for it in mounts}) == len(mounts), (values, name)
                mounted |= {it["name"] for it in mounts}
            volumes = {volume["name"] for volume in pod["spec"].get("volumes", [])}
            assert mounted == volumes - {TOKEN}, (values, name)


def test_ray_s_container_is_the_first():
    """KubeRay takes the first container for Ray's, and writes its command."""
    for values, chart in everywhere():
        for pod in chart.ray_pods.values():
            first = pod["spec"]["containers"][0]
            assert first["name"].startswith("ray-"), values
            assert "command" not in first, values
            assert first["resources"]["limits"] == first["resources"]["requests"], values


def test_the_head_computes_nothing():
    """Ray may place no replica on the head, and it takes no requests."""
    for values, chart in everywhere():
        parameters = chart.cluster["headGroupSpec"]["rayStartParams"]
        assert (parameters["num-cpus"], parameters["num-gpus"]) == ("0", "0"), values
        assert chart.service["excludeHeadPodFromServeSvc"] is True, values


def test_ray_has_the_environment_of_one_machine():
    """What `niche serve` sets for Ray, the chart sets too, but for what is one machine's."""
    wanted = ray_environment(ROOT, {}, GatewaySection())
    wanted = {key: value for key, value in wanted.items() if key not in OF_ONE_MACHINE}

    for pod in rendered("defaults").ray_pods.values():
        assert wanted.items() <= _environment(pod["spec"]["containers"][0]).items()


def test_the_door_has_the_limits_of_the_configuration():
    """KubeRay asks it for Serve's health, beside that."""
    for values, chart in everywhere():
        edge = parse_config(chart.niche, "niche.yaml").gateway
        for pod in chart.ray_pods.values():
            told = DoorSettings.from_environment(_environment(pod["spec"]["containers"][0]))
            assert replace(told, host=edge.host) == replace(edge.door, probes=True), values


def test_processes_agree_on_authentication():
    """The operator sets the mode of tokens; without tokens, every process is told so."""
    assert rendered("defaults").cluster["authOptions"] == {"mode": "token"}
    assert rendered("identity").cluster["authOptions"]["secretName"] == "ray-token"
    chart = rendered("extra")

    assert chart.cluster["authOptions"] == {"mode": "disabled"}
    for pod in chart.ray_pods.values():
        assert _environment(pod["spec"]["containers"][0])["RAY_AUTH_MODE"] == "disabled"


def test_a_gpu_group_reaches_its_nodes():
    """A group with GPUs asks for them, tolerates their taint, and overrides the defaults."""
    group = rendered("gpu-group").groups["gpu"]
    spec = group["template"]["spec"]
    [container] = spec["containers"]
    taint = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}

    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert container["image"] == "niche-cuda:0.1.0"
    assert [it["key"] for it in spec["tolerations"]] == ["dedicated", taint["key"]]
    assert taint in spec["tolerations"]
    assert spec["runtimeClassName"] == "nvidia"
    assert spec["nodeSelector"] == {"cloud.example/accelerator": "l4"}
    assert _volumes(rendered("gpu-group"), "gpu")["shm"]["emptyDir"]["sizeLimit"] == "8Gi"
    assert (group["minReplicas"], group["maxReplicas"]) == (0, 5)
    assert (group["idleTimeoutSeconds"], group["priority"]) == (900, 10)


@pytest.mark.parametrize(
    ("values", "group", "gpus"), [("gpu-group", "gpu", 1), ("mig", "slice", 1), ("mig", "cpu", 0)]
)
def test_ray_s_autoscaler_sees_the_gpus_of_a_group(values, group, gpus):
    """Also those of MIG, whose resource has another name; it adds pods for what it sees alone."""
    found = rendered(values).groups[group]

    assert _get_ray_resources_from_group_spec(found, is_head=False).get("GPU") == gpus


def test_a_cpu_group_asks_for_no_gpu():
    """A group without GPUs neither asks for them nor tolerates their taint."""
    spec = rendered("gpu-group").ray_pods["cpu"]["spec"]

    assert "tolerations" not in spec
    assert set(spec["containers"][0]["resources"]["limits"]) == {"cpu", "memory"}


def test_only_the_gateway_s_group_has_what_is_the_gateway_s():
    """API keys, check and exporter are in no other group, but for a classifier's own group."""
    chart = changed("gpu-group", 'apiKeys.existingSecret="keys"')
    apart = rendered("classifier")

    assert {"api-keys", "gateway-metrics"} <= set(_volumes(chart, "cpu"))
    assert {"api-keys", "gateway-metrics"}.isdisjoint(_volumes(chart, "gpu"))
    assert "check-config" in _initial(chart, "cpu")
    assert "check-config" not in _initial(chart, "gpu")
    assert "gateway-metrics" in _volumes(apart, "small-gpu")
    assert "check-config" in _initial(apart, "small-gpu")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ("artifact-image", "emptyDir"),
        ("artifact-download", "emptyDir"),
        ("artifact-volume", "persistentVolumeClaim"),
        ("artifact-config-map", "configMap"),
    ],
)
def test_the_artifact_is_checked_where_it_will_be_read(values, kind):
    """It is mounted from its source, copied first if need be; check and Ray see it at one path."""
    chart = rendered(values)
    order = _initial(chart, "cpu")
    mounts = {
        container["name"]: mount
        for container in containers(chart.ray_pods["cpu"])
        for mount in container["volumeMounts"]
        if mount["name"] == "router-artifact"
    }

    assert kind in _volumes(chart, "cpu")["router-artifact"]
    assert order[: order.index("check-config")] == ["router-artifact"] * (kind == "emptyDir")
    assert mounts["check-config"] == mounts["ray-worker"]
    assert mounts["ray-worker"]["mountPath"] == chart.niche["router"]["artifact"]


def test_a_copy_hides_nothing_that_it_copies():
    """An init container's volume lies beside the directory of its image."""
    artifact = changed("artifact-image", 'routerArtifact.image={"reference":"a"}')
    adapters = rendered("model-servers").pods["trial-niche-small"]
    [copies] = adapters["spec"]["initContainers"]
    for container in (containers(artifact.ray_pods["cpu"])[0], copies):
        program, _recursive, source, target = container["command"]
        mounts = [mount["mountPath"] for mount in container["volumeMounts"]]

        assert program == "cp"
        assert target in mounts
        assert not any(source.startswith(f"{path}/") for path in mounts)


def _check(tmp_path, chart):
    """Runs the init container's command on the chart's `niche.yaml`, without its wait."""
    [container] = [it for it in containers(chart.ray_pods["cpu"]) if it["name"] == "check-config"]
    [mount] = [it for it in container["volumeMounts"] if it["name"] == "config"]
    (tmp_path / "niche.yaml").write_text(yaml.safe_dump(chart.niche), encoding="utf-8")
    *shell, script = container["command"]
    script = script.replace(mount["mountPath"], str(tmp_path)).replace("sleep 60", "true")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        [*shell, script],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_check_fails_with_the_configuration_s_own_lines(tmp_path):
    """What the chart leaves to `niche config check` stops the pod, and the log names the key."""
    bad = changed("fake", "niche.router.guarantee.alpha=0.02")  # not all domains have specialists

    checked = _check(tmp_path, bad)

    assert checked.returncode == 1
    assert "router.guarantee" in checked.stderr
    assert _check(tmp_path, rendered("fake")).returncode == 0


def test_the_check_sees_what_the_gateway_sees():
    """The file is that of the ConfigMap, and what the values mount or set for Ray is there too."""
    chart = rendered("extra")
    parts = {it["name"]: it for it in containers(chart.ray_pods["cpu"])}
    check, gateway = parts["check-config"], parts["ray-worker"]

    assert _volumes(chart, "cpu")["config"]["configMap"]["name"] == chart.name
    assert {"config", "certificates"} <= {mount["name"] for mount in check["volumeMounts"]}
    assert {"PIP_INDEX_URL"} <= _environment(check).keys() & _environment(gateway).keys()


@pytest.mark.parametrize(
    ("values", "pulls"),
    [
        ("defaults", True),
        ("model-cache-offline", False),
        ("values-gpu", True),
        ("values-gpu-vllm", True),
    ],
)
def test_model_files_come_first(values, pulls):
    """Workers get the files that the configuration names, unless that is switched off."""
    chart = rendered(values)

    for group in chart.groups:
        assert ("pull-models" in _initial(chart, group)) == pulls


@pytest.mark.parametrize(
    "change",
    [
        "niche.specialists[1].replicas=3",
        "niche.generalist.price.machine_per_hour=1",
        "niche.gateway.max_body_bytes=1000",
        "workerGroups.cpu.maxReplicas=6",
    ],
)
def test_a_change_of_the_configuration_keeps_the_cluster(change):
    """Pods stay as they are, so that the change reaches the running cluster."""
    before, after = rendered("fake"), changed("fake", change)

    assert after.ray_pods == before.ray_pods
    assert after.objects != before.objects


@pytest.mark.parametrize(
    ("values", "change"),
    [
        ("fake", 'image.tag="v9"'),
        ("fake", 'routerArtifact.revision="v2"'),
        ("fake", 'niche.generalist.model="another"'),
        ("fake", 'apiKeys.values=["a-key-for-trials"]'),
        ("api-keys", 'apiKeys.revision="third"'),
    ],
)
def test_a_change_that_needs_new_pods_makes_them(values, change):
    """What a running pod would not notice changes the pods of the gateway."""
    assert changed(values, change).ray_pods["cpu"] != rendered(values).ray_pods["cpu"]
